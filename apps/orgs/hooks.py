"""What the rooms above say before an organization goes. They register in their AppConfig.ready()."""

from collections.abc import Callable, Iterable
from typing import Any

from apps.orgs.models import Membership, Organization

#: Names what still belongs to the organization and does not go with it ("application menugen"), one text each.
Blocker = Callable[[Organization], Iterable[str]]

_blockers: list[Blocker] = []
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
