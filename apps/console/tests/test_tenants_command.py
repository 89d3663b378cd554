"""Operators look after tenants from a terminal, as the platform itself, and the trail says so."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from apps.audit.models import Event
from apps.tenancy.models import Tenant
from apps.tenancy.walls import enter, outside, registry
from tests.client import Api
from tests.world import World


def run(*words: str) -> Any:
    """What `manage.py tenants …words --json` prints."""
    out = io.StringIO()
    call_command("tenants", *words, "--json", stdout=out)
    return json.loads(out.getvalue())


def refusal(*words: str) -> tuple[int, str]:
    """The exit code and the problem's code of a command that is refused."""
    with pytest.raises(CommandError) as failure:
        run(*words)
    return failure.value.returncode, failure.value.document["code"]  # type: ignore[attr-defined]


def test_listing_and_showing(world: World) -> None:
    listed = run("list")
    assert [row["name"] for row in listed["data"]] == ["acorn/production", "birch/production", "console"]
    assert len(run("list", "--state", "spare")["data"]) >= 1

    shown = run("show", "acorn/production")
    assert (shown["kind"], shown["protected"], shown["owner_organization"]) == (
        "environment",
        True,
        world.builders.id,
    )
    assert refusal("show", "oak/production") == (3, "not_found")


def test_creating_makes_the_application_too(world: World, api: Api) -> None:
    made = run("create", "oak/staging", "--organization", "acorn", "--protected")
    assert (made["name"], made["protected"], made["state"]) == ("oak/staging", True, "active")

    seen = api.using(world.builders.agent_key).get("/v1/applications/oak")
    assert [e["name"] for e in seen["environments"]] == ["development", "production", "staging"]
    assert api.using(world.rivals.agent_key).get("/v1/applications/oak").status == 404

    with enter(world.console.ref):
        events = Event.objects.filter(
            actor_kind="system", operation__in=["applications.create", "environments.create"]
        )
        assert events.filter(edge="command").count() == 2


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["create", "acorn/production"], (5, "environment_exists")),
        (["create", "nonsense"], (64, "malformed_request")),
        (["create", "oak/test"], (64, "malformed_request")),
        (["create", "oak/test", "--organization", "nobody"], (3, "not_found")),
        (["create", "x'; drop schema public/test", "--organization", "acorn"], (64, "validation_failed")),
        (["delete", "console"], (5, "console_stays")),
        (["delete", "oak/test"], (3, "not_found")),
    ],
)
def test_refusals_write_nothing(world: World, words: list[str], expected: tuple[int, str]) -> None:
    with outside():
        before = list(Tenant.objects.order_by("id").values_list("id", "name", "state"))

    assert refusal(*words) == expected

    with outside():
        assert list(Tenant.objects.order_by("id").values_list("id", "name", "state")) == before


def test_deleting_ends_the_environment(world: World, api: Api) -> None:
    assert run("delete", "acorn/production")["state"] == "deleted"

    assert api.using(world.acorn.root_key).get("/v1/whoami").code == "tenant_deleted"
    assert api.using(world.builders.agent_key).get("/v1/applications/acorn")["environments"] == []


def test_checking_exits_2_when_a_tenant_is_not_current(world: World) -> None:
    assert {row["status"] for row in run("check")["data"]} == {"current"}
    with registry():
        Tenant.objects.filter(name="birch/production").update(fingerprint="older code")

    out = io.StringIO()
    with pytest.raises(CommandError) as failure:
        call_command("tenants", "check", "--json", stdout=out)

    assert failure.value.returncode == 2
    behind = [row["tenant"] for row in json.loads(out.getvalue())["data"] if row["status"] == "behind"]
    assert behind == ["birch/production"]


def test_no_key_does_operators_work(world: World, api: Api) -> None:
    asked = api.using(world.console.root_key).post("/v1/policy/explain", {"operation": "tenants.delete"})

    assert (asked["decision"], asked["gate"]) == ("deny", "permit")
