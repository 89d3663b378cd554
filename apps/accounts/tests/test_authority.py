"""Who counts as oneself: plain data, no database."""

from dataclasses import replace

import pytest

from apps.accounts.authority import is_oneself, require_grantable, require_other
from apps.accounts.errors import RoleExceedsOwn, SelfWidening
from apps.accounts.models import Agent
from apps.core.actor import Actor, Call, Credential, Edge, PrincipalKind, PrincipalRef, TenantRef
from apps.core.ids import uuid7
from apps.core.scopes import Scopes

HOME = TenantRef(uuid7(), "console", "t_home", "console", True)
AWAY = TenantRef(uuid7(), "menugen/production", "t_away", "environment", True)
AGENT = Agent(name="Reader", role="viewer")


def acting(principal: PrincipalRef, *chain: PrincipalRef, role: str = "admin") -> Actor:
    credential = Credential(uuid7(), "agent", Scopes.everything(), chain=chain)
    return Actor(principal, HOME, HOME, credential, Call("req_1", Edge.API), role)


def test_the_agent_is_itself_at_home_and_nobody_elsewhere() -> None:
    itself = acting(AGENT.ref)
    assert is_oneself(itself, AGENT)
    assert not is_oneself(replace(itself, tenant=AWAY), AGENT)


def test_a_principal_of_another_kind_with_the_same_id_is_another() -> None:
    assert not is_oneself(acting(PrincipalRef(PrincipalKind.SERVICE_ACCOUNT, AGENT.id, "twin")), AGENT)


def test_what_an_agent_minted_counts_as_the_agent() -> None:
    puppet = acting(PrincipalRef(PrincipalKind.SERVICE_ACCOUNT, uuid7(), "puppet"), AGENT.ref)
    assert not is_oneself(puppet, AGENT)
    with pytest.raises(SelfWidening, match="Reader may not end its own suspension"):
        require_other(puppet, AGENT, "end its own suspension")


def test_a_refusal_says_what_may_be_given() -> None:
    with pytest.raises(RoleExceedsOwn, match="You may decide about: developer, viewer"):
        require_grantable(acting(AGENT.ref, role="developer"), "viewer", "admin")


def test_an_unknown_role_gives_nothing() -> None:
    with pytest.raises(RoleExceedsOwn, match="which is none"):
        require_grantable(acting(AGENT.ref, role="emperor"), "viewer")
