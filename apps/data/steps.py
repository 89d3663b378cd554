"""What is done to each record when a schema changes incompatibly: small steps, declared, each of them repeatable.

A step that was done to a record already changes nothing, so that a change that was interrupted simply goes on.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from typing import Any

from apps.data.schemas.fields import values_at

Step = Mapping[str, Any]
Data = dict[str, Any]

#: The members of each kind of step, beside `do`.
MEMBERS: Mapping[str, tuple[str, ...]] = {
    "default": ("field", "value"),
    "rename": ("field", "to"),
    "remove": ("field",),
    "convert": ("field", "to"),
}
#: What `convert` makes.
KINDS = ("string", "number", "integer", "boolean")


def carried_out(steps: Sequence[Step], data: Data) -> Data:
    """`data` with every step done to it in their order; `data` itself stays as it is."""
    made = deepcopy(data)
    for step in steps:
        _DEEDS[step["do"]](made, step)
    return made


def _default(data: Data, step: Step) -> None:
    """Give the field a value where it has none."""
    holder, name = _holder(data, step["field"], make=True)
    if holder is not None and holder.get(name) is None:
        holder[name] = deepcopy(step["value"])


def _rename(data: Data, step: Step) -> None:
    """Move a value to another name beside it; one that stands there already stays."""
    holder, name = _holder(data, step["field"])
    if holder is not None and name in holder:
        value = holder.pop(name)
        holder.setdefault(step["to"], value)


def _remove(data: Data, step: Step) -> None:
    """Take the field out."""
    holder, name = _holder(data, step["field"])
    if holder is not None:
        holder.pop(name, None)


def _convert(data: Data, step: Step) -> None:
    """Write the value as another type, where it says the same there; any other stays, and the schema refuses it."""
    holder, name = _holder(data, step["field"])
    if holder is not None and values_at(holder, name):
        holder[name] = _as(step["to"], holder[name])


def _holder(data: Data, path: str, *, make: bool = False) -> tuple[Data | None, str]:
    """The object that has the last name of a dotted path, and that name; None where something else is in the way."""
    *above, name = path.split(".")
    here: Any = data
    for step in above:
        if make and isinstance(here, dict) and step not in here:
            here[step] = {}
        here = here.get(step) if isinstance(here, dict) else None
    return (here if isinstance(here, dict) else None), name


def _as(kind: str, value: Any) -> Any:
    if kind == "string":
        return _text(value)
    if kind == "boolean":
        return {"true": True, "false": False, 1: True, 0: False}.get(_simple(value), value)
    number = _number(value)
    if number is None or (kind == "integer" and number != int(number)):
        return value
    return int(number) if kind == "integer" or number == int(number) else number


def _simple(value: Any) -> Any:
    return (
        value.strip().lower() if isinstance(value, str) else value if isinstance(value, int | float) else None
    )


def _text(value: Any) -> Any:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, int | float) else value


def _number(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    try:
        found = float(value)
    except ValueError:
        return None
    return found if abs(found) < 2**53 else None


_DEEDS: Mapping[str, Callable[[Data, Step], None]] = {
    "default": _default,
    "rename": _rename,
    "remove": _remove,
    "convert": _convert,
}
