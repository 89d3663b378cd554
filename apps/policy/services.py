"""Explaining decisions. They are made in one place, apps.core.operations.decide; this only asks it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from apps.core.actor import Actor
from apps.core.operations import Operation, Risk, all_operations, decide, find_operation, operation
from apps.policy.serializers import DecisionOutput, OperationsOutput, Question


@operation("policy.explain", scope="policy:read", risk=Risk.READ, input=Question, output=DecisionOutput)
def explain(
    actor: Actor, *, operation: str, resource: str | None = None, arguments: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """Say what the gates would decide about a call of the caller's, and why, without acting.

    `allow` means that no gate refuses; the call may still fail on its arguments or on the state of things.
    """
    decision = decide(actor, find_operation(operation), asked_arguments(resource, arguments or {}))
    return {
        "decision": decision.decision,
        "gate": decision.gate,
        "because": decision.because,
        "rule": decision.rule,
        "remedy": decision.remedy.document() if decision.remedy else None,
    }


def asked_arguments(resource: str | None, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the gates are shown: the arguments, and the resource where one is named."""
    return {**arguments, "resource": resource} if resource is not None else dict(arguments)


@operation("operations.list", scope="policy:read", risk=Risk.READ, output=OperationsOutput)
def list_operations(_actor: Actor) -> dict[str, Any]:
    """List every operation with its scope and risk, whether the caller may call it or not."""
    return {"data": [_described(found) for found in all_operations()], "next_cursor": None}


def _described(found: Operation[..., Any]) -> dict[str, Any]:
    return {
        "name": found.name,
        "scope": str(found.scope),
        "risk": found.risk.value,
        "summary": found.summary,
        "lists": found.lists,
        "versioned": found.versioned,
        "shows_secret": found.shows_secret,
        "publishable": found.publishable,
    }
