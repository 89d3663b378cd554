"""What service accounts and agents have in common. Plain functions: the operations of both are in services.py."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar
from uuid import UUID

from apps.accounts import hooks
from apps.accounts.authority import require_grantable, require_no_agent, require_other
from apps.accounts.models import Agent, Machine, Status
from apps.accounts.querysets import MachineQuerySet
from apps.core.actor import Actor, PrincipalKind, PrincipalRef
from apps.core.ids import encode
from apps.core.models import not_found
from apps.core.problems import Remedy, missing

M = TypeVar("M", bound=Machine)
_ROOMS = {PrincipalKind.SERVICE_ACCOUNT: "service-accounts", PrincipalKind.AGENT: "agents"}


def listed(model: type[Machine], actor: Actor, filters: dict[str, Any]) -> MachineQuerySet:
    """Those that `actor` may see, narrowed by the `filters` that are set (organization, status)."""
    columns = {"organization": "organization_id", "status": "status"}
    chosen = {columns[name]: value for name, value in filters.items() if value is not None}
    return model.objects.visible_to(actor).filter(**chosen)


def found(model: type[M], actor: Actor, pk: UUID) -> M:
    """The one with that id. Raises NotFound."""
    machine: M | None = model.objects.visible_to(actor).filter(pk=pk).first()
    if machine is None:
        raise not_found(model, pk)
    return machine


def created(model: type[M], actor: Actor, organization: UUID | None, **fields: Any) -> M:
    """A new one, in the actor's organization, or as a tenant-wide actor says. Raises RoleExceedsOwn and NotFound."""
    place = placed(actor, organization)
    require_grantable(actor, fields["role"], within=place)
    machine = model(organization_id=place, **fields)
    machine.save(force_insert=True)
    return machine


def placed(actor: Actor, organization: UUID | None) -> UUID | None:
    """The organization that a new row of `actor` belongs to; None is the tenant as a whole. Raises NotFound."""
    if organization is None:
        return actor.organization.id if actor.organization else None
    known = _organizations().visible_to(actor).filter(pk=organization)
    if not known.exists():
        raise missing("organization", encode("org", organization))
    return organization


def locked(model: type[M], actor: Actor, pk: UUID, expected_version: int | None) -> M:
    """The one with that id, locked, for an actor that may decide about its role."""
    machine: M = model.locked(model.objects.visible_to(actor), pk, expected_version)
    require_grantable(actor, machine.role, within=machine.organization_id)
    return machine


def updated(machine: M, actor: Actor, changes: dict[str, Any]) -> M:
    """Apply `changes` to a locked one.

    Raises RoleExceedsOwn, SelfWidening for its own role or purpose, and PeerWidening where an agent would say what
    another one is for.
    """
    if "purpose" in changes:
        require_other(actor, machine, "change what it is for")
        require_no_agent(actor, f"say what {machine.name} is for")
    role = changes.get("role", machine.role)
    if role != machine.role:
        require_other(actor, machine, "change its own role")
        require_grantable(actor, role, within=machine.organization_id)
    return machine.apply(changes)


def suspended(machine: M, reason: str) -> M:
    """Refuse a locked one, and all that it made, everywhere from the next call on."""
    return _with_status(machine, Status.SUSPENDED, reason, hooks.suspended)


def activated(machine: M, actor: Actor, reason: str) -> M:
    """Let a locked one act again. Raises SelfWidening when it would do so itself, PeerWidening for other agents."""
    require_other(actor, machine, "end its own suspension")
    require_no_agent(actor, f"end the suspension of {machine.name}", _activation(machine))
    return _with_status(machine, Status.ACTIVE, reason, hooks.activated)


def removed(machine: M) -> M:
    """Delete a locked one; the instance keeps its id for the trail."""
    hooks.about_to_remove(machine)
    type(machine).objects.filter(pk=machine.pk).delete()
    return machine


def answerable(actor: Actor) -> PrincipalRef:
    """Who answers for an agent that `actor` makes: the person, an agent's own owner, else the machine itself."""
    if actor.kind is PrincipalKind.AGENT and actor.owner is not None:
        return actor.owner
    return actor.principal


def owned_by(actor: Actor, owner: PrincipalRef) -> dict[str, Any]:
    """The columns of an agent that `actor` makes and `owner` (see `answerable`) answers for."""
    home = actor.home.id if actor.is_away else None
    if home is None and actor.kind is PrincipalKind.AGENT and actor.principal.id is not None:
        home = Agent.objects.filter(pk=actor.principal.id).values_list("owner_home_id", flat=True).first()
    return owner_columns(owner, home)


def owner_columns(owner: PrincipalRef, home: UUID | None) -> dict[str, Any]:
    """The columns of an agent that say who answers for it; `home` is the owner's tenant where it is another one."""
    return {
        "owner_kind": owner.kind.value,
        "owner_id": owner.id,
        "owner_name": owner.name,
        "owner_home_id": home,
    }


def _activation(machine: Machine) -> Remedy:
    """How a person ends the suspension."""
    room, shown = _ROOMS[machine.kind], machine.public_id
    command = f"manage.py {room.replace('-', '_')} activate {shown} --reason REASON"
    return Remedy(command, "POST", f"/v1/{room}/{shown}/activate", {"reason": "…"})


def _with_status(machine: M, status: Status, reason: str, tell: Callable[[M], None]) -> M:
    if machine.status == status:
        return machine
    changed = machine.apply({"status": status.value, "status_reason": reason})
    tell(changed)
    return changed


def _organizations() -> Any:
    # The room above owns the model; a foreign key is as far as this one reaches up.
    model: Any = Agent._meta.get_field("organization").related_model
    return model.objects
