"""What the rooms above say before an organization goes, and about who invites. They register in AppConfig.ready()."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from apps.core.actor import Actor
from apps.orgs.models import Invitation, Membership, Organization

#: Names what still belongs to the organization and does not go with it ("application menugen"), one text each.
Blocker = Callable[[Organization], Iterable[str]]


@dataclass(frozen=True, slots=True)
class Origin:
    """Through what somebody invites: the key, if there is one, and the marks of everybody behind the credential."""

    credential_id: UUID | None
    lineage: list[str]


@dataclass(frozen=True, slots=True)
class Inviting:
    """What the room of credentials knows of who invites: the `origin` now, and later whether it `is_stopped`."""

    origin: Callable[[Actor], Origin]
    is_stopped: Callable[[Invitation], bool]


_blockers: list[Blocker] = []
_inviting: Inviting | None = None
_before_leaving: list[Callable[[Membership], Any]] = []
_before_deletion: list[Callable[[Organization], Any]] = []


def register_blocker(blocker: Blocker) -> None:
    """Ask `blocker` before an organization is deleted; what it names refuses the deletion."""
    if blocker not in _blockers:
        _blockers.append(blocker)


def before_deletion(hook: Callable[[Organization], Any]) -> None:
    """Call `hook` with each organization that is about to be deleted, in the operation's transaction."""
    if hook not in _before_deletion:
        _before_deletion.append(hook)


def before_leaving(hook: Callable[[Membership], Any]) -> None:
    """Call `hook` with each membership that is about to end, in the operation's transaction."""
    if hook not in _before_leaving:
        _before_leaving.append(hook)


def about_to_leave(membership: Membership) -> None:
    """Tell everybody that a member goes."""
    for hook in _before_leaving:
        hook(membership)


def still_there(organization: Organization) -> list[str]:
    """Everything that keeps `organization` from being deleted."""
    return [name for blocker in _blockers for name in blocker(organization)]


def about_to_delete(organization: Organization) -> None:
    """Tell everybody that `organization` goes."""
    for hook in _before_deletion:
        hook(organization)


def use_inviting(answers: Inviting) -> None:
    """Ask `answers` about the credentials by which people are invited."""
    global _inviting
    _inviting = answers


def inviting() -> Inviting:
    """Who answers about the credentials by which people are invited."""
    if _inviting is None:
        raise RuntimeError("No room has registered what it knows of credentials.")
    return _inviting
