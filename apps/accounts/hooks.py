"""What the rooms above do when principals come and go. They register in their AppConfig.ready()."""

from collections.abc import Callable
from typing import Any

from apps.accounts.models import Agent, Machine, User
from apps.core.actor import Actor

_on_sign_up: list[Callable[[User], Any]] = []
_on_person_added: list[Callable[[Actor, User], Any]] = []
_before_removal: list[Callable[[Machine], Any]] = []
_on_suspended: list[Callable[[Machine | User], Any]] = []
_on_activated: list[Callable[[Machine | User], Any]] = []
_on_owner_changed: list[Callable[[Agent], Any]] = []
_on_signed_out: list[Callable[[User], Any]] = []


def on_sign_up(hook: Callable[[User], Any]) -> None:
    """Call `hook` with each person who signed up, in the transaction that made them."""
    if hook not in _on_sign_up:
        _on_sign_up.append(hook)


def on_person_added(hook: Callable[[Actor, User], Any]) -> None:
    """Call `hook` with the actor and the person whom it added to the directory, in the operation's transaction."""
    if hook not in _on_person_added:
        _on_person_added.append(hook)


def before_removal(hook: Callable[[Machine], Any]) -> None:
    """Call `hook` with each service account or agent that is about to be deleted, in the operation's transaction."""
    if hook not in _before_removal:
        _before_removal.append(hook)


def on_suspended(hook: Callable[[Machine | User], Any]) -> None:
    """Call `hook` with each principal that is suspended, in the operation's transaction, standing in its tenant.

    Credentials are refused already when this is called; a hook ends what goes on without one, such as leases.
    """
    if hook not in _on_suspended:
        _on_suspended.append(hook)


def on_activated(hook: Callable[[Machine | User], Any]) -> None:
    """Call `hook` with each principal whose suspension ends, in the operation's transaction."""
    if hook not in _on_activated:
        _on_activated.append(hook)


def on_owner_changed(hook: Callable[[Agent], Any]) -> None:
    """Call `hook` with each agent for which somebody else answers from now on, in the operation's transaction."""
    if hook not in _on_owner_changed:
        _on_owner_changed.append(hook)


def on_signed_out(hook: Callable[[User], Any]) -> None:
    """Call `hook` with each person whose sessions end all at once: by a new password, or because they were ended.

    In the transaction that ends them, standing in the tenant's own role; a hook ends what hangs on sessions.
    """
    if hook not in _on_signed_out:
        _on_signed_out.append(hook)


def signed_up(user: User) -> None:
    """Tell everybody that `user` signed up."""
    for hook in _on_sign_up:
        hook(user)


def person_added(actor: Actor, user: User) -> None:
    """Tell everybody that `actor` added `user` to the directory."""
    for hook in _on_person_added:
        hook(actor, user)


def about_to_remove(machine: Machine) -> None:
    """Tell everybody that `machine` goes."""
    for hook in _before_removal:
        hook(machine)


def suspended(principal: Machine | User) -> None:
    """Tell everybody that `principal` is suspended."""
    for hook in _on_suspended:
        hook(principal)


def activated(principal: Machine | User) -> None:
    """Tell everybody that `principal` may act again."""
    for hook in _on_activated:
        hook(principal)


def owner_changed(agent: Agent) -> None:
    """Tell everybody that somebody else answers for `agent`."""
    for hook in _on_owner_changed:
        hook(agent)


def signed_out(user: User) -> None:
    """Tell everybody that the sessions of `user` end."""
    for hook in _on_signed_out:
        hook(user)
