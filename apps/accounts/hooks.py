"""What the rooms above do when principals come and go. They register in their AppConfig.ready()."""

from collections.abc import Callable
from typing import Any

from apps.accounts.models import Machine, User
from apps.core.actor import Actor

_on_sign_up: list[Callable[[User], Any]] = []
_on_person_added: list[Callable[[Actor, User], Any]] = []
_before_removal: list[Callable[[Machine], Any]] = []


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
