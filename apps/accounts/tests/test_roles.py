"""Roles as an order: what may be given, and what a higher role includes."""

from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.accounts.roles import OWNERS_ONLY, ROLE_CHOICES, ROLES, Role, custom_role
from apps.core.scopes import Scope, Scopes

roles = st.sampled_from(sorted(ROLES.values(), key=lambda role: role.rank))
resources = st.sampled_from(
    ["organizations", "members", "users", "agents", "jobs", "secrets", "billing", "policy"]
)
actions = st.sampled_from(["read", "write", "own", "use", "*"])
scopes = st.builds(Scope, resources, actions)


@given(roles, roles, roles)
def test_giving_roles_is_a_total_order(one: Role, other: Role, third: Role) -> None:
    assert one.may_grant(one)
    assert one.may_grant(other) or other.may_grant(one)
    if one.may_grant(other) and other.may_grant(third):
        assert one.may_grant(third)


@given(roles, roles, scopes)
def test_who_may_give_a_role_may_do_all_that_it_allows(giver: Role, given_role: Role, scope: Scope) -> None:
    if giver.may_grant(given_role) and given_role.allows(scope):
        assert giver.allows(scope)


@given(scopes)
def test_the_lowest_role_reads_and_none_does_nothing(scope: Scope) -> None:
    assert ROLES["viewer"].allows(scope) == (scope.action == "read")
    assert not ROLES["none"].allows(scope)


def test_ending_an_organization_is_for_owners_alone() -> None:
    assert [role.name for role in ROLES.values() if role.allows(OWNERS_ONLY)] == ["owner"]


def test_none_cannot_be_given() -> None:
    assert "none" not in dict(ROLE_CHOICES)


# Custom roles beside the built-in ones.

RESOURCES = ("organizations", "members", "roles", "agents", "jobs", "secrets")
ACTIONS = ("read", "write", "own", "use", "*")
SELECTORS = ("", "one", "two")
#: Whatever a call can ask for, wildcards included, which ask for all that they stand for.
EVERYTHING = [Scope("*"), *(Scope(*parts) for parts in product(RESOURCES, ACTIONS, SELECTORS))]
permissions = st.builds(
    Scope, st.sampled_from(RESOURCES), st.sampled_from(ACTIONS), st.sampled_from(SELECTORS)
)
custom = st.builds(lambda held: custom_role("made", "Made", Scopes(held)), st.sets(permissions, max_size=5))
every_role = st.one_of(roles, custom)


@given(every_role, every_role)
def test_who_is_given_a_role_can_do_nothing_that_the_giver_could_not(giver: Role, given_role: Role) -> None:
    if giver.may_grant(given_role):
        assert not [scope for scope in EVERYTHING if given_role.allows(scope) and not giver.allows(scope)]


@given(every_role, every_role, every_role)
def test_giving_on_what_one_was_given_climbs_nowhere(one: Role, other: Role, third: Role) -> None:
    assert one.may_grant(one)
    if one.may_grant(other) and other.may_grant(third):
        assert one.may_grant(third)


@given(custom, roles)
def test_no_custom_role_gives_a_built_in_one(role: Role, built_in: Role) -> None:
    assert role.may_grant(built_in) == (built_in.name == "none")


@given(every_role, st.sampled_from(EVERYTHING))
def test_writing_includes_reading_and_a_wildcard_what_it_stands_for(role: Role, scope: Scope) -> None:
    if not role.allows(scope):
        return
    parts = [one for one in EVERYTHING if scope.covers(one)]
    assert all(role.allows(part) for part in parts)


@given(st.sets(permissions, max_size=5))
def test_only_an_owner_gives_what_is_the_owners(held: set[Scope]) -> None:
    role = custom_role("made", "Made", Scopes(held))
    if any(scope.covers(OWNERS_ONLY) or OWNERS_ONLY.covers(scope) for scope in held):
        assert [name for name, giver in ROLES.items() if giver.may_grant(role)] == ["owner"]


@pytest.mark.parametrize(
    ("giver", "permission", "may"),
    [
        ("owner", "*", True),
        ("admin", "*", False),
        ("admin", "organizations:write", True),
        ("admin", "organizations:*", False),
        ("admin", "members:*", True),
        ("developer", "jobs:*", True),
        ("developer", "members:read", True),
        ("developer", "members:write", False),
        ("developer", "members:*", False),
        ("developer", "roles:write@one", False),
        ("viewer", "secrets:read", True),
        ("viewer", "secrets:use", False),
        ("viewer", "secrets:*", False),
        ("none", "jobs:read", False),
    ],
)
def test_what_the_built_in_roles_give(giver: str, permission: str, may: bool) -> None:
    role = custom_role("made", "Made", Scopes.parse([permission]))
    assert ROLES[giver].may_grant(role) is may
