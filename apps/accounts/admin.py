"""People, agents and service accounts in the admin."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from django.contrib import admin
from django.db.models import Model

from apps.accounts import services as do
from apps.accounts.authority import role_choices
from apps.accounts.models import Agent, Machine, ServiceAccount, Status, User
from apps.accounts.ownership import change_owner
from apps.core.actor import Actor
from apps.core.admin import StoryAdmin, site
from apps.core.admin_actions import Action, act_above, act_on
from apps.core.admin_story import Fact, Need, code, status_badge, story_url, watch, when

_MOST_CHOICES = 200


class MachineAdmin(StoryAdmin):
    """What the pages of agents and service accounts have in common."""

    list_display = ["name", "status_shown", "role_shown", "created_shown"]
    search_fields = ["name"]
    list_filter = ["status", "role"]

    @admin.display(description="Status")
    def status_shown(self, row: Machine) -> Any:
        """The status, as the domain calls it."""
        return status_badge(row.status, row.get_status_display())

    @admin.display(description="Role")
    def role_shown(self, row: Machine) -> str:
        """The role."""
        return row.get_role_display()

    @admin.display(description="Created")
    def created_shown(self, row: Machine) -> Any:
        """Since when it exists."""
        return when(row.created_at)

    def state(self, row: Machine) -> Any:
        """Its status."""
        return status_badge(row.status, row.get_status_display())

    def facts(self, row: Any) -> Sequence[Fact]:
        """What it is, and what it may do."""
        why = [Fact("Because", row.status_reason)] if row.status_reason else []
        return [
            Fact("Id", code(row.public_id)),
            Fact("Role", row.get_role_display()),
            *why,
            Fact("Created", when(row.created_at)),
        ]


@admin.register(Agent, site=site)
class AgentAdmin(MachineAdmin):
    """Agents: who answers for each, and what it is for."""

    reads, reads_one = do.list_agents, do.get_agent
    headline = "Agents"
    intro = "AI agents that act in this organization. Somebody answers for each of them."
    empty = "No agents yet. Create one, then mint a key for it: that is all it needs to begin."
    list_display = ["name", "status_shown", "role_shown", "owner_shown", "created_shown"]

    @admin.display(description="Answers to")
    def owner_shown(self, row: Agent) -> str:
        """Who answers for it."""
        return row.owner_name

    def facts(self, row: Agent) -> Sequence[Fact]:
        """With its purpose and who answers for it."""
        return [Fact("Purpose", row.purpose or "—"), Fact("Answers to", row.owner_name), *super().facts(row)]

    def target(self, row: Agent) -> dict[str, Any]:
        """Its id."""
        return {"agent_id": row.pk}


@admin.register(ServiceAccount, site=site)
class ServiceAccountAdmin(MachineAdmin):
    """Service accounts: programs of the product."""

    reads, reads_one = do.list_service_accounts, do.get_service_account
    headline = "Service accounts"
    intro = "Programs that act in this organization: a backend, a worker, a continuous integration."
    empty = "No service accounts yet. Create one for the program that will call the API."

    def target(self, row: ServiceAccount) -> dict[str, Any]:
        """Its id."""
        return {"service_account_id": row.pk}


@admin.register(User, site=site)
class UserAdmin(StoryAdmin):
    """People who share the organization."""

    reads, reads_one = do.list_users, do.get_user
    headline = "People"
    intro = "The people who share this organization. Roles belong to their memberships."
    list_display = ["email", "name", "status_shown", "created_shown"]
    search_fields = ["email", "name"]
    list_filter = ["status"]

    @admin.display(description="Status")
    def status_shown(self, row: User) -> Any:
        """The status, as the domain calls it."""
        return status_badge(row.status, row.get_status_display())

    @admin.display(description="Created")
    def created_shown(self, row: User) -> Any:
        """Since when they are known here."""
        return when(row.created_at)

    def state(self, row: User) -> Any:
        """Their status."""
        return status_badge(row.status, row.get_status_display())

    def facts(self, row: User) -> Sequence[Fact]:
        """Who they are."""
        why = [Fact("Because", row.status_reason)] if row.status_reason else []
        last = Fact("Last sign-in", when(row.last_login))
        return [Fact("E-mail", row.email), Fact("Id", code(row.public_id)), *why, last]

    def target(self, row: User) -> dict[str, Any]:
        """Their id."""
        return {"user_id": row.pk}


def _is_active(row: Any) -> bool:
    return bool(row.is_active)


def _is_suspended(row: Any) -> bool:
    return not row.is_active


def _offer(model: type[Model], noun: str, argument: str, verbs: dict[str, Any]) -> None:
    def target(_actor: Actor, row: Any) -> dict[str, Any]:
        return {argument: row.pk}

    def known(row: Any) -> dict[str, Any]:
        return {name: getattr(row, name) for name in ("name", "purpose", "role") if hasattr(row, name)}

    act_on(
        model,
        Action(
            verbs["suspend"],
            "Suspend",
            f"This {noun} is refused everywhere from its next call on, whatever it shows, until it is activated again.",
            target,
            applies=_is_active,
        ),
        Action(
            verbs["activate"],
            "Activate",
            f"This {noun} may act again, with the keys that it has.",
            target,
            applies=_is_suspended,
        ),
        Action(
            verbs["update"],
            "Change",
            "The change counts from the next call on.",
            target,
            initial=known,
            choices={"role": role_choices},
        ),
    )
    if "delete" in verbs:
        gone = "It is deleted with its keys and cannot be brought back. Suspending can be undone."
        act_on(model, Action(verbs["delete"], "Delete", gone, target))


def _verbs(noun: str, *more: str) -> dict[str, Any]:
    return {verb: getattr(do, f"{verb}_{noun}") for verb in ("suspend", "activate", "update", *more)}


_offer(Agent, "agent", "agent_id", _verbs("agent", "delete"))
_offer(ServiceAccount, "service account", "service_account_id", _verbs("service_account", "delete"))
_offer(User, "person", "user_id", _verbs("user"))


def _people_of(actor: Actor, row: Agent) -> list[tuple[str, str]]:
    found = User.objects.visible_to(actor).filter(memberships__organization_id=row.organization_id)
    people = found.distinct().order_by("email")[:_MOST_CHOICES]
    return [("", "You"), *((person.public_id, person.email) for person in people)]


def _programs_of(actor: Actor, row: Agent) -> list[tuple[str, str]]:
    found = ServiceAccount.objects.visible_to(actor).filter(organization_id=row.organization_id)
    programs = found.order_by("name")[:_MOST_CHOICES]
    return [("", "No service account"), *((program.public_id, program.name) for program in programs)]


act_on(
    Agent,
    Action(
        change_owner,
        "Change who answers",
        "Whoever is chosen answers for it from now on; they have to be able to give it its role.",
        lambda _actor, row: {"agent_id": row.pk},
        choices={"user": _people_of, "service_account": _programs_of},
        labels={"user": "Person"},
    ),
)
act_above(
    Agent,
    Action(
        do.create_agent,
        "Create an agent",
        "The agent belongs to this organization and you answer for it. It can do nothing until it has a key.",
        fields=("name", "purpose", "role"),
        choices={"role": role_choices},
    ),
)
act_above(
    ServiceAccount,
    Action(
        do.create_service_account,
        "Create a service account",
        "It belongs to this organization and can do nothing until it has a key.",
        fields=("name", "role"),
        choices={"role": role_choices},
    ),
)


def _suspended_agents(actor: Actor) -> Iterator[Need]:
    for agent in Agent.objects.visible_to(actor).filter(status=Status.SUSPENDED).order_by("-id")[:5]:
        because = f": {agent.status_reason}" if agent.status_reason else ""
        yield Need(f"Agent {agent.name} is suspended{because}", story_url(agent))


watch(Agent, _suspended_agents)
