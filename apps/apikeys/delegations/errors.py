"""Why nobody may act for somebody, and why a delegation is not given. One code a reason."""

from __future__ import annotations

from typing import Any

from apps.core.problems import Conflict, FieldError, Forbidden, Remedy, ValidationFailed

#: How a delegate comes to a delegation: it asks, and the person agrees.
ASK: dict[str, Any] = {
    "of": "usr_…",
    "scopes": ["users:read"],
    "purpose": "…",
    "expires_at": "2026-12-01T00:00:00Z",
}


def asking(of: str = "usr_…", scopes: list[str] | None = None) -> Remedy:
    """The call by which a delegation is asked for."""
    wanted = scopes or ASK["scopes"]
    return Remedy(
        command=(
            f"manage.py delegations request --of {of} --scopes {','.join(wanted)} "
            f"--purpose PURPOSE --expires-at {ASK['expires_at']}"
        ),
        method="POST",
        path="/v1/delegations/requests",
        body={**ASK, "of": of, "scopes": wanted},
    )


class DelegationRefused(Forbidden):
    """A refusal of the delegation gate, found before there was an operation to ask about."""

    code, title = "delegation_refused", "The delegation does not let you act"
    advice = "Ask for another one."

    def __init__(self, detail: str = "", **options: Any) -> None:
        super().__init__(detail, **options)
        self.extra.setdefault("gate", "delegation")


class DelegationMissing(DelegationRefused):
    """Nobody of that id let the caller act for them here; the same for people who do not exist."""

    code, title = "delegation_missing", "There is no such delegation"
    advice = "Ask for one by `POST /v1/delegations/requests`."


class DelegationPending(DelegationRefused):
    """The delegation was asked for, and waits for the answer of who would give it."""

    code, title = "delegation_pending", "The delegation waits for an answer"
    advice = "Let the person open the page that `consent` of the request names."


class DelegationDenied(DelegationRefused):
    """The delegation was asked for and denied."""

    code, title = "delegation_denied", "The delegation was denied"


class DelegationExpired(DelegationRefused):
    """The delegation's time is over, or that of the one it was passed on from."""

    code, title = "delegation_expired", "The delegation has expired"


class DelegationRevoked(DelegationRefused):
    """Somebody ended the delegation, or the one it was passed on from."""

    code, title = "delegation_revoked", "The delegation was revoked"


class DelegationUsedUp(DelegationRefused):
    """Every use of the delegation was taken, or of the one it was passed on from."""

    code, title = "delegation_used_up", "The delegation is used up"


class DelegatorUnable(DelegationRefused):
    """Who gave or passed on the delegation is suspended, gone, or may not do this themselves (any more)."""

    code, title = "delegator_unable", "Who you act for may not do this themselves"
    advice = "Nobody hands on more than they may do; a delegation holds as long as its giver does."


class DelegationExceeded(DelegationRefused):
    """The call is beyond the scopes of the delegation."""

    code, title = "delegation_scope_missing", "The delegation does not cover this"


class NotDelegable(ValidationFailed):
    """Some things everybody does in person, and wildcards would hand on what nobody read."""

    code, title = "not_delegable", "That is not handed on"
    advice = "Name plain scopes, such as users:read. docs/delegation.md lists what is never handed on."


class DelegatorLacks(Forbidden):
    """The delegator may not do that themselves, so that nobody can do it for them."""

    code, title = "delegation_exceeds_own", "Nobody delegates more than they may do"
    advice = "Leave out the scopes in `missing`."


class DelegationTooLong(ValidationFailed):
    """`expires_at` is over already, more than 90 days away, or later than what is passed on."""

    code, title = "delegation_too_long", "That is no time until which it can hold"

    def __init__(self, detail: str = "", **options: Any) -> None:
        errors = [FieldError("expires_at", self.code, detail)]
        super().__init__(detail, errors=errors, **options)


class DelegationUsesExceeded(ValidationFailed):
    """More uses would be passed on than are left."""

    code, title = "delegation_uses_exceeded", "Not so many uses are left"

    def __init__(self, detail: str = "", **options: Any) -> None:
        errors = [FieldError("max_uses", self.code, detail)]
        super().__init__(detail, errors=errors, **options)


class DelegationLoop(ValidationFailed):
    """Somebody would act for themselves, straight or around a corner."""

    code, title = "delegation_loop", "Nobody acts for themselves"
    advice = "Name another principal."


class DelegationTooDeep(Forbidden):
    """A delegation is passed on once, by a delegate of the tenant itself, and no further."""

    code, title = "delegation_too_deep", "That is not passed on any further"
    advice = "Let whoever needs it ask the person by `POST /v1/delegations/requests`."


class DelegationNotInPerson(Forbidden):
    """An agent, a key that one minted, or a program that was let in tried to decide for whom others act."""

    code, title = "delegation_not_in_person", "Only whoever it is about decides that, in person"
    advice = "Ask by `POST /v1/delegations/requests`, and let the person answer, signed in or with a key of theirs."


class NothingChosen(ValidationFailed):
    """Somebody agreed to a request on its page and left nothing of it that may be done."""

    code, title = "delegation_nothing_chosen", "Nothing is ticked"
    advice = "Tick what it may do, or deny it."

    def __init__(self) -> None:
        super().__init__(self.advice, errors=[FieldError("scopes", self.code, self.advice)])


class RequestOpen(Conflict):
    """There is a request of this kind that was not answered yet."""

    code, title = "delegation_request_open", "You have asked already"
    advice = "Wait for the answer, or withdraw the request and ask anew."


class RequestAnswered(Conflict):
    """The request was answered, withdrawn, or waited for too long."""

    code, title = "delegation_request_answered", "There is nothing to answer any more"
    advice = "Let whoever asked ask anew."
