"""What the trail says about records. They are written many at once, so that no signal tells of them; this does."""

from __future__ import annotations

from typing import Any

from apps.audit.changes import Action, Change, current_collector
from apps.audit.values import MASK, clean, is_secret_name
from apps.core.ids import encode
from apps.data.models import Collection, Record


def note(record: Record, before: dict[str, Any] | None, *, told: bool) -> None:
    """Put the change of a record into the trail of the operation that runs; `before` is its data as it was.

    Unless its values may be `told`, the trail says which members changed and no more: whoever reads the trail of an
    organization may not read every record of it.
    """
    collector = current_collector()
    if collector is None:
        return
    action: Action = "created" if before is None else "deleted" if record.deleted_at else "updated"
    collector.add(
        Change(
            prefix=Record.id_prefix,
            public_id=record.public_id,
            action=action,
            fields=_differences(before or {}, {} if record.deleted_at else record.data, told=told),
            name=record.public_id,
            organization_id=record.organization_id,
            references=(encode(Collection.id_prefix, record.collection_id),),
        )
    )


def _differences(before: dict[str, Any], after: dict[str, Any], *, told: bool) -> dict[str, list[Any]]:
    """The members that differ, as [before, after]; values are masked unless `told`, and where names sound secret."""
    names = [name for name in {**before, **after} if before.get(name) != after.get(name)]
    return {
        f"data.{name}": _pair(before.get(name), after.get(name), told=told and not is_secret_name(name))
        for name in names
    }


def _pair(before: Any, after: Any, *, told: bool) -> list[Any]:
    if not told:
        return [MASK if value is not None else None for value in (before, after)]
    return [clean(before), clean(after)]
