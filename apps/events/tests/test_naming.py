"""What events are called: one name for one thing, all of one form, all in the documentation."""

from __future__ import annotations

import ast
from pathlib import Path

from django.conf import settings

from apps.core.happenings import types_told
from apps.core.operations import Risk
from apps.events.naming import PAST, is_reserved, is_type, noun_of
from apps.events.pages import changing, text, told

#: What tells of the same under one name, although it is done in several ways.
_SAME = {"key.created", "record.updated", "record.bulk_written", "session.revoked"}


def test_every_type_is_a_noun_and_a_verb_in_the_past() -> None:
    past = set(PAST.values()) | {"uploaded", "leaked", "signed_up", "given_up", "{action}", "bulk_written"}
    for kind, operations in told().items():
        whole = kind.replace("{action}", "updated")
        noun, _, verb = kind.partition(".")
        assert is_type(whole), f"{operations} would be {kind}"
        assert is_reserved(whole), f"a product could declare {kind}"
        assert any(verb == word or verb.endswith(f"_{word}") for word in past), (
            f"{operations} would be told as {kind}: put the verb into PAST, or say event= at the operation."
        )
        assert not noun.endswith("s") or noun.endswith("settings"), f"{kind} is a plural"


def test_one_thing_has_one_name() -> None:
    shared = {kind: operations for kind, operations in told().items() if len(operations) > 1}
    assert set(shared) == _SAME, shared


def test_what_is_not_told_says_why() -> None:
    for operation in changing():
        assert not operation.untold or (len(operation.untold) > 10 and not operation.event), operation.name
        assert operation.risk is not Risk.READ


def test_the_page_lists_every_type_and_what_is_not_told() -> None:
    page = text()
    for operation in changing():
        assert f"`{operation.name}`" in page
    for kind in told():
        assert f"| `{kind}` | " in page


def test_the_page_lists_what_rooms_tell_besides() -> None:
    page = text()
    assert {"job.enqueued", "job.failed", "schedule.stopped", "webhook_endpoint.disabled"} <= set(
        types_told()
    )
    for kind, when in types_told().items():
        assert is_type(kind)
        assert is_reserved(kind)
        assert f"| `{kind}` | {when} |" in page


def test_whatever_a_room_tells_is_declared() -> None:
    """A type that is spelled out where it is told would be missing on the page."""
    spelled = []
    for path in Path(settings.BASE_DIR, "apps").rglob("*.py"):
        if "tests" not in path.parts:
            calls = (one for one in ast.walk(ast.parse(path.read_text())) if isinstance(one, ast.Call))
            told_here = (one for one in calls if getattr(one.func, "id", "") == "Happening" and one.args)
            spelled += [
                f"{path}:{one.lineno}"
                for one in told_here
                if isinstance(one.args[0], ast.Constant | ast.JoinedStr)
            ]
    assert spelled == []


def test_nouns() -> None:
    known = {
        "agents": "agent",
        "deliveries": "delivery",
        "sign_in_settings": "sign_in_settings",
        "storage": "storage",
    }
    assert {room: noun_of(room) for room in known} == known
    assert not is_reserved("order.paid")
    assert not is_reserved("shop_file.created")
