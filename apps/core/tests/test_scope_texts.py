"""Scopes as people read them."""

from __future__ import annotations

import re

import pytest

from apps.core.operations import Risk, all_operations
from apps.core.scope_texts import ScopeText, scope_texts


def test_a_scope_says_what_its_operations_do() -> None:
    assert scope_texts(["applications:read"]) == [
        ScopeText("applications:read", "See applications", "read"),
    ]
    (agents,) = scope_texts(["agents:write"])
    assert agents.text.startswith("See, create, change")
    assert agents.text.endswith("and delete agents")
    assert agents.risk == "destructive"


def test_the_gravest_come_first_and_none_twice() -> None:
    texts = scope_texts(["agents:read", "keys:write", "agents:write", "agents:read", "organizations:read"])
    assert [text.name for text in texts] == [
        "keys:write",
        "agents:write",
        "agents:read",
        "organizations:read",
    ]
    assert [text.risk for text in texts] == ["secret", "destructive", "read", "read"]


def test_a_star_is_said_to_be_everything() -> None:
    (everything,) = scope_texts(["*"])
    assert "everything that you may do" in everything.text
    assert everything.risk == "secret"
    (of_keys,) = scope_texts(["keys:*"])
    assert of_keys.risk == "secret"
    assert "revoke API keys" in of_keys.text


def test_a_selector_is_named() -> None:
    (one,) = scope_texts(["keys:read@laptop"])
    assert one.text == "See API keys, only “laptop”"


@pytest.mark.parametrize("name", ["openid", "profile", "email", "offline_access"])
def test_standard_scopes_of_sign_in_are_known(name: str) -> None:
    (text,) = scope_texts([name])
    assert "names nothing" not in text.text


@pytest.mark.parametrize("name", ["dragons:ride", "no scope at all", "<script>"])
def test_what_nobody_knows_is_shown_as_it_stands_and_never_as_harmless(name: str) -> None:
    (text,) = scope_texts([name])
    assert name in text.text
    assert Risk(text.risk) is not Risk.READ


def test_every_scope_of_the_platform_has_a_sentence_without_the_words_of_programs() -> None:
    for text in scope_texts({str(one.scope) for one in all_operations()}):
        assert re.fullmatch(r"[A-Z][A-Za-z ,:]+", text.text), text
