"""What the rooms above do when principals come and go. They register in their AppConfig.ready()."""

from collections.abc import Callable
from typing import Any

from apps.accounts.models import Agent, Machine, User

_on_sign_up: list[Callable[[User], Any]] = []
_before_removal: list[Callable[[Machine], Any]] = []
_on_suspended: list[Callable[[Machine | User], Any]] = []
_on_activated: list[Callable[[Machine | User], Any]] = []
_on_owner_changed: list[Callable[[Agent], Any]] = []


def on_sign_up(hook: Callable[[User], Any]) -> None:
    """Call `hook` with each person who signed up, in the transaction that made them."""
    if hook not in _on_sign_up:
        _on_sign_up.append(hook)


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


def signed_up(user: User) -> None:
    """Tell everybody that `user` signed up."""
    for hook in _on_sign_up:
        hook(user)


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
