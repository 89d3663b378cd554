"""Events arrive at a receiver: signed, once or more, at whoever may hear of them, and at nobody else."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.conf import settings
from django.db import connection
from django.test.utils import CaptureQueriesContext
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from standardwebhooks.webhooks import WebhookVerificationError

from apps.core.webhook_signing import SigningSecrets
from apps.events import log
from apps.events.models import Event
from apps.events.webhooks import upkeep
from apps.events.webhooks.models import Delivery, Ear, WebhookEndpoint
from apps.tenancy.walls import enter
from tests.client import Answer, Api
from tests.receiving import Receiver, receiving, verified, work
from tests.world import World


def subscribe(me: Api, receiver: Receiver, *types: str, path: str = "/hook", **more: Any) -> Answer:
    body = {"url": receiver.url(path), "event_types": list(types) or ["*"], **more}
    made = me.post("/v1/webhook-endpoints", body)
    assert made.status == 201, made
    return made


def agent(me: Api, name: str = "cook") -> str:
    made = me.post("/v1/agents", {"name": name})
    assert made.status == 201, made
    return str(made["id"])


def test_an_event_arrives_signed_and_is_in_the_log_of_deliveries(root: Api, receiver: Receiver) -> None:
    made = subscribe(root, receiver, "agent.*")
    assert made["secret"].startswith("whsec_")
    assert "secret" not in root.get(f"/v1/webhook-endpoints/{made['id']}").body
    shown = agent(root)
    assert work() == 1
    (asked,) = receiver.got
    body = verified(made["secret"], asked)
    assert (body["type"], body["subject"], body["timestamp"]) == ("agent.created", shown, body["at"])
    (event,) = root.get("/v1/events?types=agent.created")["data"]
    assert {**body, "timestamp": None} == {**event, "timestamp": None}
    assert (asked.method, asked.headers["webhook-id"]) == ("POST", event["id"])
    (delivery,) = root.get(f"/v1/webhook-endpoints/{made['id']}/deliveries")["data"]
    assert (delivery["state"], delivery["event"], delivery["attempt"]) == ("succeeded", event["id"], 1)
    (attempt,) = delivery["attempts"]
    assert (attempt["response"]["status"], attempt["response"]["body"]) == (200, "thanks")
    assert attempt["error"] is None
    assert 0 <= attempt["seconds"] < 5
    whole = root.get(f"/v1/deliveries/{delivery['id']}")
    assert whole["request"]["body"].encode() == asked.body
    assert "signature" not in str(whole.body)
    assert asked.headers["packmule-delivery"] == delivery["id"]


def test_another_secret_or_a_changed_body_is_not_good(root: Api, receiver: Receiver) -> None:
    subscribe(root, receiver, "agent.*")
    other = subscribe(root, receiver, "user.*")
    agent(root)
    work()
    with pytest.raises(WebhookVerificationError):
        verified(other["secret"], receiver.got[0])


def test_after_a_rotation_both_secrets_sign_until_the_overlap_is_over(root: Api, receiver: Receiver) -> None:
    first = subscribe(root, receiver, "agent.*")
    path = f"/v1/webhook-endpoints/{first['id']}/rotate"
    second = root.post(path, {"overlap_seconds": 60})
    assert second["secret"] != first["secret"]
    agent(root)
    work()
    assert verified(first["secret"], receiver.got[0]) == verified(second["secret"], receiver.got[0])
    assert len(receiver.got[0].headers["webhook-signature"].split(" ")) == 2
    third = root.post(path, {"overlap_seconds": 0})
    agent(root, "waiter")
    work()
    assert verified(third["secret"], receiver.got[1])
    with pytest.raises(WebhookVerificationError):
        verified(second["secret"], receiver.got[1])


def test_an_organization_hears_of_its_own_and_the_tenant_of_all(
    root: Api, north: Api, south: Api, receiver: Receiver
) -> None:
    subscribe(root, receiver, "agent.created", path="/all")
    subscribe(north, receiver, "agent.created", path="/north")
    subscribe(south, receiver, "agent.created", path="/south")
    for me in (root, north, south):
        agent(me)
    assert work() == 5
    arrived = zip(receiver.got, receiver.events, strict=True)
    told = {(asked.target, body["organization"]) for asked, body in arrived}
    ids = [me.get("/v1/whoami")["organization"]["id"] for me in (north, south)]
    assert told == {
        ("/all", None),
        ("/all", ids[0]),
        ("/all", ids[1]),
        ("/north", ids[0]),
        ("/south", ids[1]),
    }


def test_nobody_sees_or_moves_what_is_anothers(
    world: World, api: Api, north: Api, south: Api, root: Api, receiver: Receiver
) -> None:
    made = subscribe(north, receiver, "agent.*")
    agent(north)
    work()
    (delivery,) = north.get(f"/v1/webhook-endpoints/{made['id']}/deliveries")["data"]
    for other in (
        south,
        api.using(world.birch.root_key),
        api.using(world.birch.parties["north"].service_key),
    ):
        path = f"/v1/webhook-endpoints/{made['id']}"
        assert other.get("/v1/webhook-endpoints")["data"] == []
        for call in (
            other.get(path),
            other.get(f"{path}/deliveries"),
            other.patch(path, {"description": "x"}),
        ):
            assert call.status == 404
        for verb in ("rotate", "disable", "enable", "test"):
            assert other.post(f"{path}/{verb}").status == 404
        assert other.post(f"{path}/replay", {"since": "2020-01-01T00:00:00Z"}).status == 404
        assert other.get(f"/v1/deliveries/{delivery['id']}").status == 404
        assert other.post(f"/v1/deliveries/{delivery['id']}/replay").status == 404
        assert other.delete(path).status == 404
    assert root.get(f"/v1/deliveries/{delivery['id']}").status == 200


def test_who_belongs_to_no_organization_hears_nothing_of_the_tenant(
    world: World, api: Api, receiver: Receiver
) -> None:
    body = {"url": receiver.url(), "event_types": ["*"]}
    stranger = api.using(world.acorn.stranger_key).post("/v1/webhook-endpoints", body)
    assert stranger.status == 403
    viewer = api.using(world.acorn.parties["north"].viewer_key).post("/v1/webhook-endpoints", body)
    assert viewer.status == 403
    with enter(world.acorn.ref):
        assert WebhookEndpoint.objects.count() == 0


def test_another_tenant_is_not_told(world: World, api: Api, root: Api, receiver: Receiver) -> None:
    subscribe(api.using(world.birch.root_key), receiver, "*")
    agent(root)
    work()
    assert [body["type"] for body in receiver.events] == ["webhook_endpoint.created"]


def test_an_organization_that_goes_takes_its_endpoint_along(
    world: World, root: Api, receiver: Receiver
) -> None:
    made = root.post("/v1/organizations", {"slug": "short", "name": "Short"})
    subscribe(root, receiver, "*", organization=made["id"], path="/short")
    subscribe(root, receiver, "organization.deleted", path="/root")
    work()
    before = len(receiver.got)
    assert root.delete(f"/v1/organizations/{made['id']}").status == 204
    work()
    assert [asked.target for asked in receiver.got[before:]] == ["/root"]
    with enter(world.acorn.ref):
        assert Ear.objects.count() == 2
        upkeep.look_after()
        assert Ear.objects.count() == 1
        connection.check_constraints()


def test_what_is_rolled_back_is_not_sent(root: Api, receiver: Receiver) -> None:
    subscribe(root, receiver, "agent.*", "collection.*")
    refused = root.post("/v1/agents", {"name": "cook", "role": "nonsense"})
    assert refused.status == 422
    assert work() == 0


@pytest.mark.parametrize("within", [False, True])
def test_where_nobody_hears_it_nothing_is_asked(
    root: Api, receiver: Receiver, world: World, within: bool
) -> None:
    subscribe(root, receiver, "job.*")
    north = world.acorn.parties["north"].uuid if within else None
    with enter(world.acorn.ref, north), CaptureQueriesContext(connection) as queries:
        log.append([_event("agent.created", north) for _ in range(50)])
    about = [one["sql"] for one in queries if "events_" in one["sql"]]
    assert len(about) == 1
    assert "events_webhookendpoint" not in about[0]


def test_many_events_for_many_endpoints_are_few_statements(
    world: World, root: Api, receiver: Receiver
) -> None:
    for number in range(3):
        subscribe(root, receiver, "thing.*", path=f"/{number}")
    with enter(world.acorn.ref), CaptureQueriesContext(connection) as queries:
        log.append([_event("thing.made", None) for _ in range(400)])
        assert Delivery.objects.count() == 1200
    told = [one["sql"] for one in queries if "set_config" not in one["sql"] and "jobs_step" not in one["sql"]]
    assert len(told) <= 6


@pytest.mark.parametrize("endpoints", [1, 30])
def test_what_follows_the_commit_is_one_statement_for_any_number_of_endpoints(
    world: World,
    root: Api,
    receiver: Receiver,
    django_capture_on_commit_callbacks: Any,
    endpoints: int,
) -> None:
    for number in range(endpoints):
        subscribe(root, receiver, "thing.*", path=f"/{number}")

    def told() -> list[str]:
        with (
            enter(world.acorn.ref),
            CaptureQueriesContext(connection) as queries,
            django_capture_on_commit_callbacks(execute=True),
        ):
            log.append([_event("thing.made", None) for _ in range(3)])
        return [one["sql"] for one in queries if re.search("events_|jobs_", one["sql"])]

    told()  # Founds the endpoints' turns.
    found = told()
    assert sum("jobs_lane" in sql for sql in found) == 1, found
    # The events, the four of their deliveries, and the wake.
    assert len(found) == 6, found


def _event(kind: str, organization: Any) -> Event:
    return log.make(None, kind, None, organization, {})


KINDS = ["job.succeeded", "job.dead", "jobs.dead", "job_type.made", "file.created", "order.paid"]
FILTERS = ["*", "job.*", "job.dead", "file.*", "order.paid", "order.*", "jobs.*"]


@hypothesis_settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    endpoints=st.lists(
        st.tuples(st.sampled_from(["", "north", "south"]), st.sets(st.sampled_from(FILTERS), min_size=1)),
        max_size=4,
    ),
    events=st.lists(st.tuples(st.sampled_from(["", "north", "south"]), st.sampled_from(KINDS)), max_size=8),
)
def test_whatever_matches_arrives_and_nothing_else(
    world: World, settings: Any, endpoints: list[tuple[str, set[str]]], events: list[tuple[str, str]]
) -> None:
    """Every event that an endpoint asks for and may see comes at least once; nothing else ever does."""
    settings.PACKMULE_OUTBOUND_LOOPBACK = True
    places = {"": None} | {slug: party.uuid for slug, party in world.acorn.parties.items()}
    with receiving() as receiver, enter(world.acorn.ref):
        WebhookEndpoint.objects.all().delete()
        Ear.objects.all().delete()
        for number, (slug, types) in enumerate(endpoints):
            _endpoint(receiver.url(f"/{number}"), places[slug], sorted(types))
        written = [_event(kind, places[slug]) for slug, kind in events]
        log.append(written)
        work()
        got = {(asked.target, body["id"]) for asked, body in zip(receiver.got, receiver.events, strict=True)}
    wanted = {
        (f"/{number}", event.public_id)
        for number, (slug, types) in enumerate(endpoints)
        for (whose, kind), event in zip(events, written, strict=True)
        if slug in ("", whose) and any(_asks(one, kind) for one in types)
    }
    assert got == wanted


def _asks(wanted: str, kind: str) -> bool:
    """The rule, written another way than the code's."""
    noun, _, verb = wanted.partition(".")
    return wanted == "*" or (kind.split(".")[0] == noun and verb in ("*", kind.split(".")[1]))


def _endpoint(url: str, organization: Any, types: list[str]) -> None:
    made = WebhookEndpoint(url=url, organization_id=organization, event_types=types)
    made.secrets = made.sealed(SigningSecrets.new())
    made.save(force_insert=True)
    made.listen()


def test_what_the_page_says_verifies(root: Api, receiver: Receiver) -> None:
    page = (settings.BASE_DIR / "docs" / "webhooks.md").read_text()
    (block,) = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    names: dict[str, Any] = {}
    exec(block, names)
    made = subscribe(root, receiver, "agent.*")
    agent(root)
    work()
    (asked,) = receiver.got
    assert names["received"](made["secret"], asked.body, asked.headers)["type"] == "agent.created"
    with pytest.raises(WebhookVerificationError):
        names["received"](made["secret"], asked.body + b" ", asked.headers)
