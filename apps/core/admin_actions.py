"""Named actions of the admin: the operations of the API, each behind a small page that asks for a reason.

The form comes from the operation's own input, and what is typed is read by it: the admin takes what the API takes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace
from typing import Any, cast

from django import forms
from django.db.models import Model
from rest_framework import serializers

from apps.core import strictjson
from apps.core.actor import Actor, Edge
from apps.core.ids import decode, encode
from apps.core.operations import Decision, Operation, Risk, decide
from apps.core.problems import Conflict, Problem
from apps.core.routes import route_of
from apps.core.serializers import StrictSerializer

AnyOperation = Operation[..., Any]
#: What can be chosen by an actor on a row, which is None above a list: values with what people read.
Choices = Callable[[Actor, Any], Sequence[tuple[str, str]]]
REASON, CONFIRMATION, VERSION = "reason", "confirmation", "version"
#: The organization that a form was shown for, by its shown id; empty without one.
SHOWN_FOR = "shown_for"


_ORGANIZATION_FIRST = "It happens within one organization. Choose one at the top of the page first."


def _nothing(*_: Any) -> dict[str, Any]:
    return {}


def _always(_row: Any) -> bool:
    return True


@dataclass(frozen=True)
class Action:
    """One verb on the page of a thing, or above a list.

    `consequence` says what will happen. `target` makes the arguments that name the thing, `initial` what the form
    begins with, `applies` says whether it makes sense now; `fields` picks and orders fields of the operation's input,
    `choices` turns one into a selection, `picks` are arguments of the target that are chosen in the form by their shown
    ids, `labels` what a field is called where its own name would not do. `standing` says where the connection stands
    meanwhile, `confirms` what has to be typed before something destructive, `said` what came of it where the result has
    no subject. `only` is the kind of tenant in which it is
    offered, '' for every kind; `within` is set where it takes an organization to act in.
    """

    operation: AnyOperation
    label: str
    consequence: str
    target: Callable[[Actor, Any], dict[str, Any]] = _nothing
    initial: Callable[[Any], Mapping[str, Any]] = _nothing
    applies: Callable[[Any], bool] = _always
    fields: tuple[str, ...] | None = None
    choices: Mapping[str, Choices] = field(default_factory=dict)
    picks: Mapping[str, Choices] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)
    standing: Callable[[], AbstractContextManager[Any]] = nullcontext
    confirms: Callable[[Any], str] = str
    said: Callable[[Any], str] | None = None
    only: str = ""
    within: bool = False

    @property
    def is_destructive(self) -> bool:
        """True when the name of the thing has to be typed to confirm."""
        return self.operation.risk is Risk.DESTRUCTIVE

    @property
    def is_partial(self) -> bool:
        """True for a PATCH: what is left out stays as it is."""
        route = route_of(self.operation.name)
        return route is not None and route.method == "PATCH"

    def inputs(self) -> dict[str, Any]:
        """The fields of the operation's input that the form shows, in their order."""
        known = {name: entry for name, entry in self._known().items() if not entry.read_only}
        if not known:
            return {}
        chosen = known if self.fields is None else self.fields
        return {name: known[name] for name in chosen if name != REASON}

    @property
    def takes_reason(self) -> bool:
        """True when the reason is an argument of the operation too."""
        return REASON in self._known()

    def lacks_organization(self, actor: Actor, row: Any) -> bool:
        """True where it takes an organization, and neither `actor` nor `row` says which."""
        return self.within and row is None and actor.organization is None

    def _known(self) -> Mapping[str, Any]:
        reads = cast("type[StrictSerializer] | None", self.operation.input)
        return reads().fields if reads is not None else {}

    def decision(self, actor: Actor, row: Any) -> Decision:
        """What the gates say about `actor` doing this to `row`, without doing it."""
        if self.lacks_organization(actor, row):
            return Decision("deny", None, _ORGANIZATION_FIRST)
        return decide(actor, self.operation, self.target(actor, row))


_on_rows: dict[type[Model], list[Action]] = {}
_on_lists: dict[type[Model], list[Action]] = {}


def act_on(model: type[Model], *actions: Action) -> None:
    """Offer `actions` on the page of each `model`."""
    _on_rows.setdefault(model, []).extend(actions)


def act_above(model: type[Model], *actions: Action) -> None:
    """Offer `actions` above the list of `model`."""
    _on_lists.setdefault(model, []).extend(actions)


def actions_on(model: type[Model], kind: str) -> list[Action]:
    """What the page of a `model` offers in a tenant of that kind."""
    return [action for action in _on_rows.get(model, []) if action.only in ("", kind)]


def actions_above(model: type[Model], kind: str) -> list[Action]:
    """What the list of `model` offers in a tenant of that kind."""
    return [action for action in _on_lists.get(model, []) if action.only in ("", kind)]


class ActionForm(forms.Form):
    """The operation's fields, a confirmation where it is destructive, and the reason, which is always asked for."""

    def __init__(self, action: Action, actor: Actor, row: Any, data: Any = None) -> None:
        super().__init__(data, initial=dict(action.initial(row)))
        self.action, self.actor, self.row = action, actor, row
        for name, choices in action.picks.items():
            self.fields[name] = _selection(choices(actor, row), label=_label(name, action))
        for name, entry in action.inputs().items():
            offered = action.choices[name](actor, row) if name in action.choices else None
            self.fields[name] = _form_field(name, entry, action, _with(offered, self.initial.get(name)))
            self.fields[name].required &= not self._may_be_emptied(name, entry)
        if action.is_destructive and row is not None:
            self.fields[CONFIRMATION] = forms.CharField(
                label=f"Type “{action.confirms(row)}” to confirm", widget=_text(autocomplete="off")
            )
        self.fields[REASON] = forms.CharField(
            max_length=500,
            help_text="A sentence for the people who will read the timeline.",
            widget=forms.Textarea(attrs={"class": "pm-input", "rows": 2}),
        )
        if action.operation.versioned and hasattr(row, "version"):
            self.fields[VERSION] = forms.IntegerField(widget=forms.HiddenInput, initial=row.version)
        self.fields[SHOWN_FOR] = forms.CharField(
            required=False, widget=forms.HiddenInput, initial=_organization_of(actor)
        )

    def clean_confirmation(self) -> str:
        """Hold what was typed against the thing's name."""
        typed = str(self.cleaned_data[CONFIRMATION])
        wanted = self.action.confirms(self.row)
        if typed.strip() != wanted.strip():
            raise forms.ValidationError(f"This is not “{wanted}”. Nothing was done.")
        return typed

    def document(self) -> dict[str, Any]:
        """What was filled in, as the API would get it."""
        given: dict[str, Any] = {}
        for name, entry in self.action.inputs().items():
            value = self.cleaned_data.get(name)
            if value in ("", None) and not self._may_be_emptied(name, entry):
                continue
            given[name] = _words(value) if isinstance(entry, serializers.ListField) else value
        if self.action.takes_reason:
            given[REASON] = self.cleaned_data[REASON]
        return given

    def _may_be_emptied(self, name: str, entry: Any) -> bool:
        """True for what a change may take away: text, and what was shown with the value that it has."""
        blank, null = getattr(entry, "allow_blank", False), entry.allow_null and name in self.initial
        return self.action.is_partial and (blank or null)

    def picked(self) -> dict[str, Any]:
        """The arguments of the target that were chosen. The ids are those that the form offered."""
        chosen = {name: str(self.cleaned_data[name]) for name in self.action.picks}
        return {name: decode(shown, shown.rpartition("_")[0]) for name, shown in chosen.items()}

    def example(self) -> dict[str, Any]:
        """The body as far as it is known before anything was sent: first values, and names for what is needed."""
        body: dict[str, Any] = {}
        for name, entry in self.action.inputs().items():
            value = self.initial.get(name, self.fields[name].initial)
            if value not in ("", None, [], False) or entry.required:
                value = name.upper() if value in ("", None) else value
                body[name] = str(value).split() if isinstance(entry, serializers.ListField) else value
        return body | ({REASON: "REASON"} if self.action.takes_reason else {})

    def refuse(self, problem: Problem) -> None:
        """Show what the operation refused beside the fields that it names."""
        texts = [name for name, entry in self.fields.items() if isinstance(entry, JSONText)]
        for error in problem.errors:
            name = error.field.partition("[")[0].partition(".")[0]
            if name in self.fields:
                self.add_error(name, error.detail)
            elif texts and error.field.startswith("/"):
                self.add_error(texts[0], f"{error.field}: {error.detail}")


def elsewhere(actor: Actor, sent: Mapping[str, Any]) -> Problem | None:
    """The refusal of a form that was shown for another organization than the one `actor` stands in now; else None.

    The session stands in one organization, and another tab may have switched it since the form was opened.
    """
    if sent.get(SHOWN_FOR, "") == _organization_of(actor):
        return None
    here = (
        f"You work in {actor.organization.slug} now" if actor.organization else "You stand in no organization"
    )
    return Conflict(
        f"{here}, and this form was opened in another organization. Nothing was done. "
        "Switch back and send it again, or open the form anew to act here.",
        title="This form is for another organization",
    )


def _organization_of(actor: Actor) -> str:
    return encode("org", actor.organization.id) if actor.organization else ""


def perform(form: ActionForm) -> Any:
    """Call the operation as the admin's actor, with the reason. Raises what it raises."""
    action, actor, typed = form.action, form.actor, form.cleaned_data
    if action.lacks_organization(actor, form.row):
        raise Conflict(_ORGANIZATION_FIRST, title="Choose an organization first")
    arguments = {**action.target(actor, form.row), **form.picked()}
    if action.operation.input is not None:
        reads = cast("type[StrictSerializer]", action.operation.input)
        arguments = {**reads.read(form.document(), partial=action.is_partial), **arguments}
    if action.operation.versioned:
        arguments["expected_version"] = typed.get(VERSION)
    acting = replace(actor, call=replace(actor.call, edge=Edge.ADMIN, reason=typed[REASON]))
    with action.standing():
        return action.operation(acting, **arguments)


def _words(text: object) -> list[str]:
    return str(text).replace(",", " ").split()


def _text(**attributes: str) -> forms.TextInput:
    return forms.TextInput(attrs={"class": "pm-input", **attributes})


def _label(name: str, action: Action) -> str:
    return action.labels.get(name) or name.replace("_", " ").capitalize().replace(" ips", " IPs")


def _selection(offered: Sequence[tuple[str, str]], **common: Any) -> forms.Field:
    offered = offered or [("", "There is none to choose")]
    return forms.ChoiceField(choices=offered, widget=forms.Select(attrs={"class": "pm-input"}), **common)


def _with(offered: Sequence[tuple[str, str]] | None, present: object) -> Sequence[tuple[str, str]] | None:
    """The choices `offered`, and what the row has where it is not among them: a browser would choose another one."""
    if offered is None or present in (None, "") or present in dict(offered):
        return offered
    return [(str(present), str(present)), *offered]


def _form_field(
    name: str, entry: Any, action: Action, offered: Sequence[tuple[str, str]] | None
) -> forms.Field:
    common: dict[str, Any] = {
        "label": _label(name, action),
        "help_text": str(entry.help_text or ""),
        "required": entry.required,
        "initial": _first_value(entry),
    }
    if offered is not None or isinstance(entry, serializers.ChoiceField):
        return _selection(list(entry.choices.items()) if offered is None else offered, **common)
    if isinstance(entry, serializers.BooleanField):
        return forms.BooleanField(**{**common, "required": False})
    if isinstance(entry, serializers.IntegerField):
        return forms.IntegerField(
            widget=forms.NumberInput(attrs={"class": "pm-input pm-input-short"}), **common
        )
    if isinstance(entry, serializers.ListField):
        common["help_text"] = f"{common['help_text']} Separate several with spaces.".strip()
        return forms.CharField(widget=_text(), **common)
    if isinstance(entry, serializers.DictField | serializers.JSONField):
        return JSONText(**common)
    kind = forms.EmailField if isinstance(entry, serializers.EmailField) else forms.CharField
    return kind(widget=_text(), max_length=getattr(entry, "max_length", None), **common)


class JSONText(forms.CharField):
    """JSON as somebody types it."""

    def __init__(self, **common: Any) -> None:
        area = forms.Textarea(attrs={"class": "pm-input pm-input-code", "rows": 12, "spellcheck": "false"})
        super().__init__(widget=area, strip=False, **common)

    def to_python(self, value: Any) -> Any:
        """What the text stands for; None for an empty one."""
        text = super().to_python(value) or ""
        if not text.strip():
            return None
        try:
            return strictjson.loads(text.encode())
        except Problem as problem:
            raise forms.ValidationError(problem.detail) from None


def _first_value(entry: Any) -> Any:
    value = None if entry.default is serializers.empty else entry.default
    value = value() if callable(value) else value
    if isinstance(value, dict):
        return ""
    return " ".join(value) if isinstance(value, list) else value
