"""Scopes in plain language, for the people who are asked to grant them. Built from the registry of operations."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import NamedTuple

from apps.core.operations import Operation, Risk, all_operations
from apps.core.scopes import Scope, ScopeError

#: From the harmless to the grave.
_GRAVITY = (Risk.READ, Risk.WRITE, Risk.DESTRUCTIVE, Risk.SECRET)

#: A changing operation's verb, or its first word, as people say it; a verb that is not here is its own first word.
_VERBS = {
    **dict.fromkeys(("update", "put", "set", "configure"), "change"),
    "activate": "reinstate",
    "enqueue": "start",
    **dict.fromkeys(("redrive", "retry"), "run again"),
    "mint": "create",
    "end-sessions": "sign out",
}
_FIRST = ("see", "use", "create", "add", "invite", "change")
_LAST = ("remove", "revoke", "delete")

#: What is meant by a resource whose name says too little to somebody who never read the documentation.
_NOUNS = {
    "self": "your name and what you may do",
    "invitations": "invitations to an organization",
    "buckets": "places for files and their rules",
    "deliveries": "what is sent to webhook endpoints",
    "webhook-endpoints": "addresses that are told what happens",
    "audit": "the record of who did what",
    "policy": "what is allowed, and why",
    "queues": "queues of background work and their rules",
    "hand-offs": "visits of builders to environments",
    "installation": "the tenants of this installation",
    "jobs": "work that is done in the background",
    "keys": "API keys",
    "mail-templates": "the texts of mails",
    "members": "members of an organization",
    "oauth-clients": "programs that sign people in",
    "schedules": "what begins jobs by the clock",
    "sign-in-providers": "providers with whose accounts people sign in",
    "users": "people",
}

#: Scopes of OpenID Connect and OAuth, which name no operation.
_STANDARD = {
    "openid": ("Know that it is you who signed in", Risk.READ),
    "profile": ("See your name", Risk.READ),
    "email": ("See your e-mail address", Risk.READ),
    "offline_access": ("Stay connected while you are away, until you end it", Risk.WRITE),
}


#: Resources whose operations are no deeds on a thing, so that a list of verbs would say nothing.
_CHANGING = {"self": "Act on your own account: its password, second factors and sessions"}

#: Scopes of which the verbs of their operations would say less than a sentence does.
_SAID = {"jobs:work": "Do background work: take jobs, say how far they are, and end them"}


class ScopeText(NamedTuple):
    """A scope as it is shown to a person: its name, what it allows, and the gravest risk of what it allows."""

    name: str
    text: str
    risk: str


def scope_texts(scopes: Iterable[str]) -> list[ScopeText]:
    """Say in plain language what each of `scopes` allows, the gravest first; a scope named twice is said once.

    A text that is no scope of this platform is shown as it stands and counts as one that changes things.
    """
    texts = [_text_of(name) for name in sorted(set(scopes))]
    return sorted(texts, key=lambda text: -_GRAVITY.index(Risk(text.risk)))


def _text_of(name: str) -> ScopeText:
    if name in _STANDARD:
        text, risk = _STANDARD[name]
        return ScopeText(name, text, risk.value)
    try:
        scope = Scope.parse(name)
    except ScopeError:
        return _unknown(name)
    if scope.resource == "*":
        everything = "Do everything that you may do, also delete things and hand out keys"
        return ScopeText(name, everything, Risk.SECRET.value)
    covered = [one for one in all_operations() if _covers(scope, one)]
    return ScopeText(name, _sentence(scope, covered), _gravest(covered)) if covered else _unknown(name)


def _unknown(name: str) -> ScopeText:
    return ScopeText(name, f"Use “{name[:80]}”, which names nothing that exists here yet", Risk.WRITE.value)


def _covers(scope: Scope, operation: Operation[..., object]) -> bool:
    return Scope(scope.resource, scope.action).covers(operation.scope)


def _gravest(operations: Iterable[Operation[..., object]]) -> str:
    return max((one.risk for one in operations), key=_GRAVITY.index).value


def _sentence(scope: Scope, covered: Collection[Operation[..., object]]) -> str:
    if (sentence := _SAID.get(f"{scope.resource}:{scope.action}")) is not None:
        return sentence
    if scope.resource in _CHANGING and _gravest(covered) != Risk.READ:
        return _CHANGING[scope.resource]
    verbs = sorted({_verb(one) for one in covered}, key=_place)
    said = f"{', '.join(verbs[:-1])} and {verbs[-1]}" if len(verbs) > 1 else verbs[0]
    noun = _NOUNS.get(scope.resource, scope.resource.replace("-", " ").replace("_", " "))
    only = f", only “{scope.selector}”" if scope.selector else ""
    return f"{said[0].upper()}{said[1:]} {noun}{only}"


def _verb(operation: Operation[..., object]) -> str:
    if operation.risk is Risk.READ:
        return "see"
    name = operation.name.rpartition(".")[2].replace("_", "-")
    word = name.partition("-")[0]
    return _VERBS.get(name) or _VERBS.get(word, word)


def _place(verb: str) -> tuple[int, int, str]:
    if verb in _FIRST:
        return (0, _FIRST.index(verb), verb)
    return (2, _LAST.index(verb), verb) if verb in _LAST else (1, 0, verb)
