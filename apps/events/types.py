"""Operations on the product's types of events, and on how long events are kept. They are the tenant's as a whole."""

from __future__ import annotations

from typing import Any

from django.db import IntegrityError, models, transaction

from apps.accounts.configuring import require_configurer
from apps.core.actor import Actor
from apps.core.etags import check_version
from apps.core.operations import Risk, operation
from apps.core.problems import FieldError, show
from apps.data.schemas.checking import check_schema
from apps.events import serializers as forms
from apps.events.errors import EventTypeNameTaken, EventTypeReserved, EventTypeUnknown
from apps.events.models import EventType
from apps.events.naming import is_reserved
from apps.tenancy import keeping, walls
from apps.tenancy.models import Tenant


@operation(
    "event_types.list",
    scope="event-types:read",
    risk=Risk.READ,
    output=forms.EventTypeOutput,
    lists=True,
)
def list_event_types(actor: Actor) -> models.QuerySet[EventType]:  # noqa: ARG001 - everybody in the tenant may
    """List the types of events that the product declared."""
    return EventType.objects.order_by("name")


@operation("event_types.get", scope="event-types:read", risk=Risk.READ, output=forms.EventTypeOutput)
def get_event_type(actor: Actor, *, event_type: str) -> EventType:  # noqa: ARG001 - everybody in the tenant may
    """Read one event type."""
    return _one(EventType.objects.all(), event_type)


@operation(
    "event_types.create",
    scope="event-types:write",
    risk=Risk.WRITE,
    input=forms.EventTypeInput,
    output=forms.EventTypeOutput,
)
def create_event_type(actor: Actor, *, name: str, schema: Any, description: str = "") -> EventType:
    """Declare a type of events, `noun.verb` in the past: `order.paid`. It takes a credential of the whole tenant.

    `schema` is the JSON Schema that the data of every such event has to satisfy.
    """
    require_configurer(actor)
    _require_own(name)
    check_schema(schema)
    try:
        with transaction.atomic(), walls.whole_tenant():
            return EventType.objects.create(name=name, schema=schema, description=description)
    except IntegrityError:
        raise EventTypeNameTaken(f"{show(name)} is declared already. {EventTypeNameTaken.advice}") from None


@operation(
    "event_types.update",
    scope="event-types:write",
    risk=Risk.WRITE,
    input=forms.EventTypePatch,
    output=forms.EventTypeOutput,
    versioned=True,
)
def update_event_type(
    actor: Actor, /, *, event_type: str, expected_version: int | None = None, **changes: Any
) -> EventType:
    """Change what a type says. Events that were written before stay as they are, whatever the new schema says."""
    require_configurer(actor)
    if "schema" in changes:
        check_schema(changes["schema"])
    with walls.whole_tenant():
        return _locked(event_type, expected_version).apply(changes)


@operation("event_types.delete", scope="event-types:write", risk=Risk.DESTRUCTIVE, versioned=True)
def delete_event_type(actor: Actor, *, event_type: str, expected_version: int | None = None) -> EventType:
    """Take a declaration back: no such event can be written any more. Those that were stay in the log."""
    require_configurer(actor)
    with walls.whole_tenant():
        row = _locked(event_type, expected_version)
        EventType.objects.filter(pk=row.pk).delete()
    return row


@operation(
    "event_settings.get", scope="event-settings:read", risk=Risk.READ, output=forms.EventSettingsOutput
)
def get_event_settings(actor: Actor) -> Tenant:
    """Read how long this tenant keeps its events."""
    return keeping.row_of(actor.tenant)


@operation(
    "event_settings.update",
    scope="event-settings:write",
    risk=Risk.DESTRUCTIVE,
    input=forms.EventSettingsPatch,
    output=forms.EventSettingsOutput,
)
def update_event_settings(actor: Actor, *, kept_days: int | None = None) -> Tenant:
    """Change for how many days events are kept. What is older then is gone within minutes, and does not come back."""
    require_configurer(actor)
    if kept_days is None:
        return keeping.row_of(actor.tenant)
    return keeping.keep_events(actor.tenant, kept_days)


def _require_own(name: str) -> None:
    """Raise EventTypeReserved for a noun of the platform's."""
    if is_reserved(name):
        said = f"`{name.partition('.')[0]}` is a noun of the platform, which tells of its things itself."
        error = FieldError("name", EventTypeReserved.code, said)
        raise EventTypeReserved(f"{said} {EventTypeReserved.advice}", errors=[error])


def _one(rows: models.QuerySet[EventType], name: str) -> EventType:
    found = rows.filter(name=name).first()
    if found is None:
        raise EventTypeUnknown(f"There is no event type {show(name)} in this tenant.")
    return found


def _locked(name: str, expected_version: int | None) -> EventType:
    row = _one(EventType.objects.select_for_update(), name)
    check_version(expected_version, row.version)
    return row
