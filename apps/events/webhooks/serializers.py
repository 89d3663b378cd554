"""What goes in and out about webhook endpoints and deliveries."""

from __future__ import annotations

from apps.core.parameters import ListParameters
from apps.core.serializers import (
    BooleanField,
    CharField,
    ChoiceField,
    IdField,
    IntegerField,
    JSONField,
    ListField,
    NameField,
    Output,
    StrictSerializer,
    TimestampField,
)
from apps.events.serializers import MOST_FILTERS, FilterField
from apps.events.webhooks.models import MAX_URL, DeliveryState

_WEEK = 7 * 86_400
_DAY = 86_400
MOST_REPLAYED = 1000
_URL = "Where events are sent: https, on the public internet."
_TYPES = "`job.succeeded`, `job.*` for all of `job`, `*` for all."


class WebhookEndpointInput(StrictSerializer):
    """A new endpoint."""

    url = CharField(max_length=MAX_URL, help_text=_URL)
    event_types = ListField(child=FilterField(), min_length=1, max_length=MOST_FILTERS, help_text=_TYPES)
    organization = IdField(
        "org",
        default=None,
        allow_null=True,
        help_text="Whose events it gets; without one the caller's, or all of the tenant.",
    )
    description = NameField(max_length=200, default="", allow_blank=True)


class WebhookEndpointPatch(StrictSerializer):
    """What to change; it counts for what is sent from now on."""

    url = CharField(max_length=MAX_URL, required=False, help_text=_URL)
    event_types = ListField(
        child=FilterField(), min_length=1, max_length=MOST_FILTERS, required=False, help_text=_TYPES
    )
    description = NameField(max_length=200, required=False, allow_blank=True)


class WebhookEndpointOutput(Output):
    """An endpoint, and whether events are sent there."""

    id = IdField("whe")
    url = CharField()
    event_types = ListField(child=CharField())
    organization = IdField("org", source="organization_id", allow_null=True)
    description = CharField(allow_blank=True)
    enabled = BooleanField()
    disabled_at = TimestampField(allow_null=True)
    disabled_reason = CharField(allow_blank=True)
    failing_since = TimestampField(
        allow_null=True,
        help_text="Since when nothing but failures came back; null when the last one went well.",
    )
    version = IntegerField()
    created_at = TimestampField()


class WebhookEndpointWithSecretOutput(WebhookEndpointOutput):
    """An endpoint with the secret that signs what is sent to it, which is shown this once."""

    secret = CharField()


class WebhookRotateInput(StrictSerializer):
    """How long the previous secret signs too."""

    overlap_seconds = IntegerField(
        min_value=0, max_value=_WEEK, default=_DAY, help_text="0 ends the previous secret at once."
    )


class WebhookDisableInput(StrictSerializer):
    """Why nothing is to be sent."""

    reason = NameField(max_length=500, default="", allow_blank=True)


class DeliveryParameters(ListParameters):
    """Filters of deliveries."""

    state = ChoiceField(
        choices=DeliveryState.choices, required=False, help_text="Only those that stand there."
    )
    event_type = CharField(max_length=80, required=False, help_text="Only of this type, exactly.")
    event = IdField("evt", required=False, help_text="Only of this event.")


class AllDeliveriesParameters(DeliveryParameters):
    """Filters of the deliveries to all endpoints."""

    endpoint = IdField("whe", required=False, help_text="Only to this endpoint.")


class DeliveryAttemptResponseOutput(Output):
    """What the receiver answered."""

    status = IntegerField()
    headers = JSONField()
    body = CharField(allow_blank=True, help_text="Its first 2,000 characters.")


class DeliveryErrorOutput(Output):
    """Why an attempt was no success."""

    code = CharField()
    message = CharField()


class DeliveryAttemptOutput(Output):
    """One sending, and what came back."""

    number = IntegerField()
    at = CharField()
    url = CharField()
    seconds = JSONField()
    error = DeliveryErrorOutput(allow_null=True)
    response = DeliveryAttemptResponseOutput(allow_null=True)


class DeliveryOutput(Output):
    """One event on its way to one endpoint."""

    id = IdField("dlv")
    endpoint = IdField("whe", source="endpoint_id")
    event = IdField("evt")
    event_type = CharField()
    organization = IdField("org", source="organization_id", allow_null=True)
    test = BooleanField()
    state = ChoiceField(choices=DeliveryState.choices)
    attempt = IntegerField(help_text="How often it was sent.")
    attempts = DeliveryAttemptOutput(many=True)
    next_at = TimestampField(allow_null=True, help_text="When it is sent again.")
    created_at = TimestampField()
    finished_at = TimestampField(allow_null=True)


class DeliveryRequestOutput(Output):
    """What is sent, without the signature."""

    method = CharField()
    url = CharField()
    headers = JSONField()
    body = CharField()


class DeliveryWithRequestOutput(DeliveryOutput):
    """A delivery with what is sent."""

    request = DeliveryRequestOutput()


class ReplayInput(StrictSerializer):
    """Which failures are sent again."""

    since = TimestampField(help_text="Those whose event came at that time or later.")
    limit = IntegerField(min_value=1, max_value=MOST_REPLAYED, default=MOST_REPLAYED)


class ReplayOutput(Output):
    """How many deliveries are sent again, and how many are left that failed since."""

    replayed = IntegerField()
    left = IntegerField()
