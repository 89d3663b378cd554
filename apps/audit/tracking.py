"""Seeing what changes: django-auditlog's diff engine, feeding the collector of the operation that runs.

Its own table of entries is not used: its registry is replaced by one whose receivers are ours. They only observe.
Signals do not see `QuerySet.update()` and `bulk_create()`; an operation that uses them on purpose is recorded with its
resource, without fields.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from functools import cache
from typing import Any
from uuid import UUID

import auditlog.registry
from auditlog.diff import model_instance_diff
from auditlog.registry import AuditlogModelRegistry
from django.db.models import BinaryField, DateTimeField, Field, ForeignKey, Model
from django.db.models.expressions import DatabaseDefault
from django.db.models.signals import post_delete, post_save, pre_save

from apps.audit.changes import Action, Change, current_collector
from apps.audit.snapshots import name_of
from apps.audit.values import MASK, clean, clean_text, is_secret_name
from apps.core.ids import Identified, encode
from apps.core.strictjson import timestamp

#: What says nothing that the resource, the trail's own time or the order of its entries does not say.
UNTOLD = frozenset({"id", "version"})
_OLD = "_audit_before"


def track(model: type[Model], *, mask: Iterable[str] = (), exclude: Iterable[str] = ()) -> None:
    """Put the changes of `model`'s rows into the trail. Call it from AppConfig.ready().

    Fields named in `mask`, and all whose names sound secret, show as `***`; those in `exclude` do not show. Calling it
    again replaces what was said before. Raises TypeError for a model without an id that is shown outside.
    """
    if not issubclass(model, Identified):
        raise TypeError(f"{model._meta.label} has no public id for the trail to name.")
    fields = model._meta.concrete_fields
    secrets = {*mask, *(field.name for field in fields if is_secret_name(field.name))}
    # The engine reads bytes as UTF-8 and fails on others; what is worth hiding in them is not worth showing.
    hidden = {*exclude, *UNTOLD, *(field.name for field in fields if isinstance(field, BinaryField))}
    _registry.register(
        model,
        mask_fields=sorted(secrets),
        exclude_fields=sorted(hidden),
        mask_callable="apps.audit.values.mask",
    )
    _told.cache_clear()


def is_tracked(model: type[Model]) -> bool:
    """True when changes of `model`'s rows are put into the trail."""
    return bool(_registry.contains(model))


def _before_save(sender: type[Model], instance: Model, using: str, **_: Any) -> None:
    """Fetch the row as it was: what the instance was loaded with may not be what the row holds now."""
    if current_collector() is None or instance._state.adding:
        return
    setattr(instance, _OLD, sender._base_manager.using(using).filter(pk=instance.pk).first())


def _after_save(instance: Model, created: bool, update_fields: Any = None, **_: Any) -> None:
    old = instance.__dict__.pop(_OLD, None)
    if not created and old is None:
        return
    _observe("created" if created else "updated", None if created else old, instance, update_fields)


def _after_delete(instance: Model, **_: Any) -> None:
    _observe("deleted", instance, None)


_registry = AuditlogModelRegistry(
    create=False,
    update=False,
    delete=False,
    access=False,
    m2m=False,
    custom={pre_save: _before_save, post_save: _after_save, post_delete: _after_delete},
)
auditlog.registry.auditlog = _registry


def _observe(action: Action, old: Any, new: Any, update_fields: Iterable[str] | None = None) -> None:
    collector = current_collector()
    if collector is None:
        return
    subject = new if new is not None else old
    fields = difference(old, new, update_fields)
    if fields or action != "updated":
        collector.add(
            Change(
                prefix=subject.id_prefix,
                public_id=subject.public_id,
                action=action,
                fields=fields,
                name=name_of(subject),
                organization_id=getattr(subject, "organization_id", None),
                references=_references(_told(subject.__class__), fields),
            )
        )


def _references(told: dict[str, Field[Any, Any]], fields: dict[str, list[Any]]) -> tuple[str, ...]:
    """What the changed fields point at. Not the organization: its story is the trail as a whole."""
    pointing = (name for name in fields if isinstance(told[name], ForeignKey) and name != "organization")
    return tuple(value for name in pointing for value in fields[name] if value is not None)


def difference(
    old: Model | None, new: Model | None, update_fields: Iterable[str] | None = None
) -> dict[str, list[Any]]:
    """Return the fields in which two states of a row differ, as [before, after], in the model's order.

    One of the two may be None (created, deleted). `update_fields` are those that are written, where not all are.
    """
    present = new if new is not None else old
    if present is None:
        raise ValueError("one of the two states has to be there")
    told = _told(type(present))
    names = [name for name, column in told.items() if _is_known(present, column, update_fields)]
    if not names:
        return {}
    found = model_instance_diff(old, new, fields_to_check=names, use_json_for_changes=True) or {}
    return {name: _pair(told[name], found[name]) for name in names if name in found}


def _is_known(row: Model, field: Field[Any, Any], update_fields: Iterable[str] | None) -> bool:
    """True for what was written, and whose value is in the row and not still the database's to choose."""
    written = update_fields is None or field.name in update_fields or field.attname in update_fields
    return written and not isinstance(row.__dict__.get(field.attname), DatabaseDefault)


@cache
def _told(model: Any) -> dict[str, Field[Any, Any]]:
    """The columns that the trail tells of. Without this list the engine would also walk reverse relations."""
    hidden = _registry.get_model_fields(model)["exclude_fields"]
    return {field.name: field for field in model._meta.concrete_fields if field.name not in hidden}


def _pair(field: Field[Any, Any], pair: tuple[Any, Any]) -> list[Any]:
    return [_shown(field, value) for value in pair]


def _shown(field: Field[Any, Any], value: Any) -> Any:
    """The engine's value as the API would show it: times with their offset, foreign keys as ids."""
    if value is None or value == MASK:
        return value
    if isinstance(field, DateTimeField):
        return timestamp(datetime.fromisoformat(str(value)).replace(tzinfo=UTC))
    if isinstance(field, ForeignKey):
        return _reference(field, str(value))
    return clean(value)


def _reference(field: ForeignKey[Any, Any], value: str) -> str:
    target: Any = field.related_model
    if issubclass(target, Identified):
        return encode(target.id_prefix, UUID(value))
    return clean_text(value)
