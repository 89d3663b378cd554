"""Custom roles of organizations in the admin."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from django.contrib import admin

from apps.accounts.models import Agent, ServiceAccount
from apps.core.actor import Actor
from apps.core.admin import site
from apps.core.admin_actions import Action, act_above, act_on
from apps.core.admin_story import Fact, Related, code, link, relate, words
from apps.orgs import roles
from apps.orgs.admin_parts import MOST_SHOWN, OfOrganizationAdmin, newest_of, own
from apps.orgs.models import Membership, Organization, Role


@admin.register(Role, site=site)
class RoleAdmin(OfOrganizationAdmin):
    """The organization's own roles; the built-in ones are no rows."""

    reads, reads_one = roles.list_roles, roles.get_role
    headline = "Roles"
    intro = "Roles of your own, beside the built-in ones: owner, admin, developer and viewer."
    empty = "No roles of your own yet; the built-in ones are always there."
    list_display = ("name", "slug_shown", "permissions_shown", "created_shown")

    @admin.display(description="Slug")
    def slug_shown(self, row: Role) -> Any:
        """What holders name it by."""
        return code(row.slug)

    @admin.display(description="Allows")
    def permissions_shown(self, row: Role) -> Any:
        """What it allows."""
        return words(row.permissions)

    def facts(self, row: Role) -> Sequence[Fact]:
        """What it allows, and what it is for."""
        return [
            Fact("Allows", words(row.permissions)),
            Fact("Slug", code(row.slug)),
            Fact("For", row.description or "—"),
            *self.whose(row),
        ]

    def target(self, row: Role) -> dict[str, Any]:
        """Its organization and its id."""
        return _role(None, row)


def _role(_actor: Actor | None, row: Role) -> dict[str, Any]:
    return {"organization_id": row.organization_id, "role_id": row.pk}


def _known(row: Role) -> Mapping[str, Any]:
    return {"name": row.name, "description": row.description, "permissions": " ".join(row.permissions)}


def roles_of(actor: Actor, row: Organization) -> list[list[Any]]:
    """The newest roles, for the page of their organization."""
    found = newest_of(Role.objects, actor, row)
    return [[link(one), code(one.slug), words(one.permissions)] for one in found]


def _holders_of(actor: Actor, row: Role) -> Iterator[list[Any]]:
    held = {"organization_id": row.organization_id, "role": row.slug}
    for seat in Membership.objects.visible_to(actor).filter(**held).select_related("user")[:MOST_SHOWN]:
        yield [link(seat, seat.user.email), "Member"]
    for model in (Agent, ServiceAccount):
        for machine in model.objects.visible_to(actor).filter(**held)[:MOST_SHOWN]:
            yield [link(machine), str(model._meta.verbose_name).capitalize()]


act_above(
    Role,
    Action(
        roles.create_role,
        "Make a role",
        "It allows what you list and nothing else, such as agents:write or users:read.",
        own,
        fields=("name", "slug", "permissions", "description"),
        within=True,
    ),
)
act_on(
    Role,
    Action(
        roles.update_role,
        "Change",
        "The change counts for everybody who holds the role, from their next call on.",
        _role,
        initial=_known,
    ),
    Action(roles.delete_role, "Delete", "Only a role that nobody holds can go.", _role),
)
relate(Role, Related("Held by", ("Who", "As"), _holders_of, "Nobody holds it."))
