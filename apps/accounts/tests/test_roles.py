"""Roles as an order: what may be given, and what a higher role includes."""

from hypothesis import given
from hypothesis import strategies as st

from apps.accounts.roles import OWNERS_ONLY, ROLE_CHOICES, ROLES, Role
from apps.core.scopes import Scope

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
