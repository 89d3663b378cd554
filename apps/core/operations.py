"""Operations: every verb of the platform, declared once, decided and recorded the same way at every edge.

A room's service function becomes an operation by the `operation` decorator. Calling it runs the gates in their fixed
order, then the function in one transaction together with what the recorders write. API, commands, documentation and
the admin are built from the registry here.

Gates and recorders are registered by higher rooms (tenancy, apikeys, policy, audit), so that the rooms below are
decided on and recorded without importing them.
"""

import inspect
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from enum import StrEnum
from functools import update_wrapper
from typing import Any, Concatenate, Generic, Literal, ParamSpec, TypeVar

from django.db import transaction
from rest_framework.serializers import BaseSerializer

from apps.core.actor import Actor
from apps.core.problems import Forbidden, Problem, Remedy
from apps.core.scopes import Scope

P = ParamSpec("P")
R = TypeVar("R")
SerializerClass = type[BaseSerializer[Any]]


class Risk(StrEnum):
    """What a mistake with this operation costs."""

    READ = "read"
    WRITE = "write"
    DESTRUCTIVE = "destructive"
    SECRET = "secret"  # noqa: S105 - a word, not a password


#: The gates of a decision in their fixed order; a room registers its check under one of these names.
GATES = ("tenant", "credential", "scope", "delegation", "forbid", "permit", "approval")


@dataclass(frozen=True, slots=True)
class Verdict:
    """A gate's objection: why not, by which rule, and the call that would get further."""

    because: str
    code: str
    rule: str | None = None
    remedy: Remedy | None = None
    outcome: Literal["deny", "require_approval"] = "deny"


@dataclass(frozen=True, slots=True)
class Decision:
    """The answer of all gates about one call."""

    decision: Literal["allow", "deny", "require_approval"]
    gate: str | None
    because: str
    rule: str | None = None
    remedy: Remedy | None = None
    code: str = ""


@dataclass(slots=True)
class Recording:
    """What a recorder learns when the operation's function has returned: the resource it acted on."""

    resource: Any = None


Gate = Callable[[Actor, "Operation[..., Any]", Mapping[str, Any]], Verdict | None]
Recorder = Callable[[Actor, "Operation[..., Any]"], AbstractContextManager[Recording]]
#: Makes ready what an operation needs, from the same arguments, and takes it away again.
Preparation = Callable[..., AbstractContextManager[Any]]

_operations: dict[str, "Operation[..., Any]"] = {}
_gates: dict[str, list[Gate]] = {name: [] for name in GATES}
_recorders: list[Recorder] = []


def register_gate(name: str, gate: Gate) -> None:
    """Add a check to the gate `name` (one of GATES; anything else is a KeyError at start-up)."""
    if gate not in _gates[name]:
        _gates[name].append(gate)


def register_recorder(recorder: Recorder) -> None:
    """Add a recorder: a context manager entered around every mutating operation, inside its transaction."""
    if recorder not in _recorders:
        _recorders.append(recorder)


def decide(actor: Actor, operation: "Operation[..., Any]", arguments: Mapping[str, Any]) -> Decision:
    """Ask every gate in order, without acting. The first objection is the decision."""
    for name in GATES:
        for gate in _gates[name]:
            verdict = gate(actor, operation, arguments)
            if verdict is not None:
                return Decision(
                    verdict.outcome, name, verdict.because, verdict.rule, verdict.remedy, verdict.code
                )
    return Decision("allow", None, f"{operation.name} is allowed: no gate objects.")


class Refused(Forbidden):
    """A call that a gate refused; carries the gate and the rule as members of the problem."""

    def __init__(self, operation: "Operation[..., Any]", decision: Decision) -> None:
        super().__init__(
            decision.because,
            code=decision.code or "forbidden",
            remedy=decision.remedy,
            extra={"gate": decision.gate, "rule": decision.rule, "operation": operation.name},
        )


@dataclass(eq=False)
class Operation(Generic[P, R]):
    """A named verb. Calling it decides, acts and records.

    `input` validates the body (or, for reads, the query parameters), `output` renders the result; a list operation
    (`lists=True`) returns a QuerySet that the edge pages. `versioned` operations take `expected_version: int | None`
    from If-Match. `shows_secret` marks an answer that is never stored for replay; `renewal` says what gets another
    secret for the thing of a shown id, where something does. `publishable` operations may be called with a publishable
    key, `open` ones without any credential, and those that work `anywhere` by a person of several organizations who
    names none. One that `redirects` leads to the `url` of its result (302), which is also its body. `streams` is the
    media type of an answer that is sent as it comes: the result's `chunks()`, bytes; `takes` that of a body other than
    JSON, which becomes the argument `body`, bytes too.
    `subject` picks the resource of record out of the result. `event` is the type of the event that tells of it, where
    apps.events.naming would derive an ugly one from the name; `untold` says why none does.

    `prepare` is for what takes long and must not keep a transaction and its locks waiting: reading gigabytes, asking
    another server. It is called with the actor and the arguments, once the gates let the call through and before its
    transaction; what its context manager yields becomes the argument `prepared`, and it is left after the transaction.
    The world may change in between, so the function asks anew, under its locks, whatever it relies on. Nothing that is
    written there is recorded as the operation, unless by `recorded`.
    """

    name: str
    scope: Scope
    risk: Risk
    function: Callable[Concatenate[Actor, P], R]
    input: SerializerClass | None = None
    output: SerializerClass | None = None
    lists: bool = False
    versioned: bool = False
    shows_secret: bool = False
    renewal: Callable[[str], Remedy] | None = None
    publishable: bool = False
    open: bool = False
    anywhere: bool = False
    redirects: bool = False
    streams: str = ""
    takes: str = ""
    records_itself: bool = False
    prepare: Preparation | None = None
    event: str = ""
    untold: str = ""
    subject: Callable[[Any], Any] = field(default=lambda result: result)

    def __post_init__(self) -> None:
        update_wrapper(self, self.function)

    def __call__(self, actor: Actor, *args: P.args, **kwargs: P.kwargs) -> R:
        """Decide, then run in one transaction with its record. Raises Refused, or what the function raises."""
        self.require(actor, kwargs)
        if self.prepare is None:
            return self._carry_out(actor, *args, **kwargs)
        with self.prepare(actor, *args, **kwargs) as prepared:
            kwargs["prepared"] = prepared
            return self._carry_out(actor, *args, **kwargs)

    def _carry_out(self, actor: Actor, *args: P.args, **kwargs: P.kwargs) -> R:
        if self.risk is Risk.READ:
            return self.function(actor, *args, **kwargs)
        with transaction.atomic():
            if self.records_itself:
                return self.function(actor, *args, **kwargs)
            with self.recorded(_with_reason(actor, kwargs.get("reason"))) as note:
                return note(self.function(actor, *args, **kwargs))

    @contextmanager
    def made_ready(self, actor: Actor, arguments: Mapping[str, Any]) -> Iterator["Operation[P, R]"]:
        """The operation for one call with `arguments`, prepared already, for whoever calls it inside a transaction.

        What `prepare` refuses is raised by that call, where the edge keeps answers. The gates have to be asked before.
        """
        if self.prepare is None:
            yield self
            return
        with ExitStack() as stack:
            try:
                prepared = stack.enter_context(self.prepare(actor, **arguments))
            except Problem as problem:
                outcome: Preparation = _refusing(problem)
            else:
                outcome = _given(prepared)
            yield replace(self, prepare=outcome)

    @contextmanager
    def recorded(self, actor: Actor) -> Iterator[Callable[[R], R]]:
        """Record what happens inside as this operation by `actor`; yields a function that takes its result.

        For an operation that `records_itself`: one that carries out its change as the actor in another tenant.
        """
        with ExitStack() as stack:
            recordings = [stack.enter_context(recorder(actor, self)) for recorder in _recorders]

            def note(result: R) -> R:
                for recording in recordings:
                    recording.resource = self.subject(result)
                return result

            yield note

    def require(self, actor: Actor, arguments: Mapping[str, Any]) -> None:
        """Let the gates decide about calling it with `arguments`, without doing so. Raises Refused."""
        decision = decide(actor, self, arguments)
        if decision.decision != "allow":
            raise Refused(self, decision)

    @property
    def room(self) -> str:
        """The noun before the dot: `applications` of `applications.create`."""
        return self.name.partition(".")[0]

    @property
    def summary(self) -> str:
        """The first line of the docstring: what documentation and help show."""
        return (inspect.getdoc(self.function) or self.name).splitlines()[0]

    @property
    def description(self) -> str:
        """The whole docstring."""
        return inspect.getdoc(self.function) or ""


def _given(prepared: Any) -> Preparation:
    return lambda *_args, **_kwargs: nullcontext(prepared)


def _refusing(problem: Problem) -> Preparation:
    def refuse(*_args: Any, **_kwargs: Any) -> AbstractContextManager[Any]:
        raise problem

    return refuse


def _with_reason(actor: Actor, reason: Any) -> Actor:
    """The actor as it is recorded: with the reason that the operation was given, where nobody typed another."""
    if not isinstance(reason, str) or actor.call.reason:
        return actor
    return replace(actor, call=replace(actor.call, reason=reason))


def operation(
    name: str, *, scope: str, risk: Risk, **options: Any
) -> Callable[[Callable[Concatenate[Actor, P], R]], Operation[P, R]]:
    """Declare a service function as the operation `name`. `options` are fields of Operation.

    Raises ValueError at import when the name is taken, and ScopeError when `scope` is malformed.
    """

    def declare(function: Callable[Concatenate[Actor, P], R]) -> Operation[P, R]:
        if name in _operations:
            raise ValueError(f"operation {name} is declared twice")
        declared = Operation(name, Scope.parse(scope), risk, function, **options)
        _operations[name] = declared
        return declared

    return declare


def all_operations() -> Iterator[Operation[..., Any]]:
    """Every declared operation, by name."""
    return iter(sorted(_operations.values(), key=lambda item: item.name))


def find_operation(name: str) -> Operation[..., Any]:
    """The operation called `name`. Raises a Problem (404) that says which names exist in that room."""
    if name in _operations:
        return _operations[name]
    room = name.partition(".")[0]
    near = sorted(known for known in _operations if known.startswith(f"{room}.")) or sorted(
        {known.partition(".")[0] for known in _operations}
    )
    raise Problem(
        f"There is no operation '{name[:80]}'. Known here: {', '.join(near)}.",
        status=404,
        code="unknown_operation",
    )
