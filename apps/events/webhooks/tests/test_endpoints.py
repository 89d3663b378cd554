"""Making and changing endpoints: what is refused, what is shown once, and how many there can be."""

from __future__ import annotations

import json
import socket
from typing import Any

import pytest
from django.core.management import call_command

from apps.core.webhook_signing import SigningSecrets
from apps.events.webhooks import endpoints
from apps.events.webhooks.models import WebhookEndpoint
from apps.tenancy.walls import enter
from tests.client import Api
from tests.refusals import check_refusal
from tests.world import World

#: A public address, which no name server is asked about.
PUBLIC = "https://93.184.215.14/hook"
INSIDE = [
    "https://127.0.0.1/", "https://localhost/", "https://10.0.0.1/", "https://192.168.1.1:8443/", "https://169.254.169.254/",
    "https://[::1]/", "https://[::ffff:10.0.0.1]/", "https://[::ffff:8.8.8.8]/", "https://[fe80::1]/", "https://100.64.0.1/",
    "https://2130706433/", "https://0x7f000001/", "https://a.localhost/", "https://0.0.0.0/",
]  # fmt: skip
NO_URLS = [
    "",
    "soup",
    "ftp://example.com/",
    "https://",
    "//example.com",
    "https://me:secret@93.184.215.14/",
    "http://93.184.215.14/",
]


def make(me: Api, url: str = PUBLIC, **said: Any) -> Any:
    return me.post("/v1/webhook-endpoints", {"url": url, "event_types": ["job.*"], **said})


@pytest.mark.parametrize("url", [*INSIDE, *NO_URLS])
def test_nothing_is_sent_inside_or_in_the_open(root: Api, url: str) -> None:
    refused = make(root, url)
    assert refused.status == 422
    if url:
        check_refusal(refused, 422, "receiver_url_refused")
    assert "secret@" not in str(refused.body["detail"])
    made = make(root)
    assert root.patch(f"/v1/webhook-endpoints/{made['id']}", {"url": url}).status == 422


def test_a_name_that_stands_for_something_inside_is_refused(
    root: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    def getaddrinfo(_host: str, port: int, **_: Any) -> list[Any]:
        return [
            (socket.AF_INET, socket.SOCK_STREAM, 6, "", (one, port)) for one in ("93.184.215.14", "10.0.0.1")
        ]

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    check_refusal(make(root, "https://hooks.example.com/"), 422, "receiver_url_refused")


def test_a_name_that_nobody_knows_yet_passes(root: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*_: Any, **__: Any) -> None:
        raise socket.gaierror

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    assert make(root, "https://not-yet.example.com/").status == 201


@pytest.mark.parametrize(
    "types", [[], ["Job.*"], ["job.**"], ["*.job"], ["job"] * 51, [".job"], ["job. done"], [3], "job.*"]
)
def test_filters_that_say_nothing_are_refused(root: Api, types: Any) -> None:
    assert make(root, event_types=types).status == 422


def test_an_endpoint_is_read_changed_and_deleted(root: Api, world: World) -> None:
    made = make(root, description="the kitchen", organization=world.acorn.parties["north"].id)
    path = f"/v1/webhook-endpoints/{made['id']}"
    assert (made["organization"], made["enabled"]) == (world.acorn.parties["north"].id, True)
    shown = root.get(path)
    assert {**shown.body, "secret": made["secret"]} == made.body
    changed = root.patch(path, {"event_types": ["*"]}, if_match=shown.headers["ETag"])
    assert changed["event_types"] == ["*"]
    assert root.patch(path, {"description": "x"}, if_match=shown.headers["ETag"]).status == 412
    assert [row["id"] for row in root.get("/v1/webhook-endpoints")["data"]] == [made["id"]]
    assert root.delete(path).status == 204
    assert root.get(path).status == 404


def test_an_organization_makes_its_own_only(north: Api, world: World) -> None:
    made = make(north)
    assert made["organization"] == world.acorn.parties["north"].id
    assert make(north, organization=world.acorn.parties["south"].id).status == 404


def test_there_are_so_many_and_no_more(root: Api, north: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(endpoints, "MOST", 2)
    assert [make(root).status for _ in range(3)] == [201, 201, 409]
    check_refusal(make(root), 409, "too_many_webhook_endpoints")
    assert make(north).status == 201


def test_the_secret_lies_sealed_for_this_tenant_and_this_endpoint(root: Api, world: World) -> None:
    made = make(root)
    with enter(world.acorn.ref):
        row = WebhookEndpoint.objects.get()
        assert made["secret"] not in row.secrets
        assert row.signing() == SigningSecrets(made["secret"])


def test_commands_do_the_same(root: Api, settings: Any, capsys: pytest.CaptureFixture[str]) -> None:
    settings.PACKMULE_KEY = root.key
    call_command("webhook_endpoints", "create", "--url", PUBLIC, "--event-types", "job.*", "--json")
    made = json.loads(capsys.readouterr().out)
    call_command("webhook_endpoints", "test", made["id"], "--json")
    sent = json.loads(capsys.readouterr().out)
    call_command("deliveries", "get", sent["id"], "--json")
    assert json.loads(capsys.readouterr().out)["event_type"] == "webhook_endpoint.test"
    call_command("webhook_endpoints", "deliveries", made["id"], "--json")
    assert json.loads(capsys.readouterr().out)["data"][0]["id"] == sent["id"]
