"""What this room refuses."""

from apps.core.problems import Conflict, NotFound, PayloadTooLarge, ValidationFailed


class EventTypeNameTaken(Conflict):
    """The product declared an event type of that name already."""

    code, title = "event_type_name_taken", "There is an event type with that name already"
    advice = "Change the one that is there, or choose another name."


class EventTypeUnknown(NotFound):
    """The product declared no event type of that name."""

    code, title = "event_type_unknown", "There is no such event type"
    advice = "`GET /v1/event-types` lists those that there are."


class EventTypeReserved(ValidationFailed):
    """The first word of the name is a noun of the platform, whose events nobody else writes."""

    code, title = "event_type_reserved", "That is the platform's own kind of event"
    advice = "Put a word of yours in front, such as `shop_order.paid`."


class EventTypeUndeclared(ValidationFailed):
    """A product writes events of types that it declared, so that whoever reads them knows what is in them."""

    code, title = "event_type_undeclared", "That event type is not declared"
    advice = "Declare it first: POST /v1/event-types with its name and the JSON Schema of its data."


class EventInvalid(ValidationFailed):
    """The event's data does not satisfy the schema of its type; `errors` lists each violation."""

    code, title = "event_invalid", "The data does not satisfy the type's schema"
    advice = "Correct what `errors` points at; `field` is a JSON pointer into the body."


class EventTooLarge(PayloadTooLarge):
    """The data of one event is over 64 KiB."""

    code, title = "event_too_large", "The event is too large"
    advice = "An event says what happened. Keep what is large in a record or a file, and name its id."
