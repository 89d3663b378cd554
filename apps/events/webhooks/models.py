"""Where events are sent to, and each delivery with all attempts at it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Self, TypeVar

from django.db import models

from apps.core import clock
from apps.core.actor import Actor
from apps.core.ids import Identified, encode
from apps.core.models import Versioned
from apps.core.walls import unwalled, walled
from apps.core.webhook_signing import SigningSecrets
from apps.events.naming import MAX_TYPE
from apps.tenancy.sealing import open_sealed, seal
from apps.tenancy.walls import whole_tenant

if TYPE_CHECKING:
    from apps.events.models import Event

MAX_URL = 2000
M = TypeVar("M", bound=models.Model)


class _OfOwner(models.QuerySet[M]):
    """Rows of organizations, or of the tenant itself."""

    def visible_to(self, actor: Actor) -> Self:
        """All for an actor of the tenant, its own organization's for an actor of one."""
        if actor.organization is not None:
            return self.filter(organization_id=actor.organization.id)
        return self if actor.is_tenant_wide else self.none()


class EndpointQuerySet(_OfOwner["WebhookEndpoint"]):
    """Endpoints of a tenant."""

    def enabled(self) -> EndpointQuerySet:
        """Those to which something is sent."""
        return self.filter(disabled_at__isnull=True)


class DeliveryQuerySet(_OfOwner["Delivery"]):
    """Deliveries of a tenant."""


@walled("organization")
class WebhookEndpoint(Identified, Versioned):
    """A URL that is told of events: an organization's of those of the organization, the tenant's of all."""

    id_prefix = "whe"

    organization = models.ForeignKey(
        "orgs.Organization", null=True, on_delete=models.CASCADE, related_name="+", db_index=False
    )
    url = models.CharField(max_length=MAX_URL)
    description = models.CharField(max_length=500, blank=True)
    event_types = models.JSONField(
        default=list, help_text="Types, `job.*` for all that begin so, `*` for all"
    )
    secrets = models.TextField(help_text="Sealed; what signs, and what signed before the last rotation")
    disabled_at = models.DateTimeField(null=True)
    disabled_reason = models.CharField(max_length=500, blank=True)
    failing_since = models.DateTimeField(null=True, help_text="Since when nothing but failures came back")
    created_at = models.DateTimeField(default=clock.now)

    #: Shown once, where it was made just now.
    secret: str

    objects: ClassVar[EndpointQuerySet] = EndpointQuerySet.as_manager()  # type: ignore[assignment]

    class Meta:
        indexes = [models.Index(fields=["organization", "id"], name="events_endpoint_organization")]

    def __str__(self) -> str:
        return self.description or self.url

    @property
    def enabled(self) -> bool:
        """True while events are sent there."""
        return self.disabled_at is None

    def listen(self) -> None:
        """Have its ear follow what it says. Call it after whatever changes `event_types` or `disabled_at`."""
        with whole_tenant():
            if self.enabled:
                said = {"organization_id": self.organization_id, "event_types": self.event_types}
                Ear.objects.update_or_create(endpoint=self.pk, defaults=said)
            else:
                self.stop_listening()

    def stop_listening(self) -> None:
        """Take its ear away: for one that is disabled or gone."""
        with whole_tenant():
            Ear.objects.filter(endpoint=self.pk).delete()

    def sealed(self, held: SigningSecrets) -> str:
        """`held` as the column keeps them."""
        return seal(self._sealed_as, held.text())

    def signing(self) -> SigningSecrets:
        """What signs. Raises SealError."""
        return SigningSecrets.read(open_sealed(self._sealed_as, self.secrets))

    @property
    def _sealed_as(self) -> str:
        return f"webhook secrets of {self.public_id}"


@unwalled(
    "what an endpoint hears, without its URL: whoever writes an event has to know whom to tell, of the tenant's own"
    " endpoints too; only the tenant's role writes it",
    kept=("endpoint", "organization_id", "event_types"),
)
class Ear(models.Model):
    """An endpoint that is enabled: whose events it hears, and of which types."""

    endpoint = models.UUIDField(primary_key=True)
    organization_id = models.UUIDField(null=True)
    event_types = models.JSONField(default=list)

    def __str__(self) -> str:
        return str(self.endpoint)

    def hears(self, event: Event) -> bool:
        """True when `event` is of one of its types, and of its organization where it has one."""
        mine = self.organization_id in (None, event.organization_id)
        return mine and any(_matches(one, event.type) for one in self.event_types)


class DeliveryState(models.TextChoices):
    """Where a delivery stands; one that failed is not tried again by itself."""

    PENDING = "pending", "Pending"
    SUCCEEDED = "succeeded", "Succeeded"
    FAILED = "failed", "Failed"


@walled("organization")
class Delivery(Identified):
    """One event for one endpoint: the bytes that are sent, and what came back each time."""

    id_prefix = "dlv"

    endpoint = models.ForeignKey(
        WebhookEndpoint,
        on_delete=models.CASCADE,
        related_name="deliveries",
        db_index=False,
        # Whoever writes an event must not fail because an endpoint was deleted at that moment.
        db_constraint=False,
    )
    organization = models.ForeignKey(
        "orgs.Organization", null=True, on_delete=models.CASCADE, related_name="+", db_index=False
    )
    event = models.UUIDField(help_text="Also the id of the message, however often it is sent")
    event_type = models.CharField(max_length=MAX_TYPE)
    body = models.TextField(help_text="As it is signed and sent")
    test = models.BooleanField(default=False)
    state = models.CharField(max_length=10, choices=DeliveryState, default=DeliveryState.PENDING)
    job = models.UUIDField(help_text="The one that sends it; another one is told to leave it alone")
    attempts: Any = models.JSONField(default=list, help_text="What came back, the last thirty")
    attempt = models.PositiveIntegerField(default=0, help_text="How often it was sent")
    next_at = models.DateTimeField(null=True, help_text="When it is sent again")
    created_at = models.DateTimeField(default=clock.now)
    finished_at = models.DateTimeField(null=True)

    objects: ClassVar[DeliveryQuerySet] = DeliveryQuerySet.as_manager()  # type: ignore[assignment]

    class Meta:
        verbose_name_plural = "deliveries"
        indexes = [
            models.Index(fields=["endpoint", "id"], name="events_delivery_endpoint"),
            models.Index(fields=["organization", "id"], name="events_delivery_organization"),
            models.Index(
                fields=["endpoint", "id"],
                name="events_delivery_failed",
                condition=models.Q(state="failed"),
            ),
            models.Index(fields=["job"], name="events_delivery_pending", condition=models.Q(state="pending")),
            models.Index(
                fields=["finished_at"],
                name="events_delivery_finished",
                condition=models.Q(finished_at__isnull=False),
            ),
        ]

    def __str__(self) -> str:
        return self.event_type

    @property
    def is_over(self) -> bool:
        """True when it is not sent again by itself."""
        return self.state != DeliveryState.PENDING

    @property
    def message_id(self) -> str:
        """The `webhook-id`: the event's own id, by which a receiver knows what it has seen."""
        return encode("evt", self.event)

    @property
    def own_headers(self) -> dict[str, str]:
        """The headers that say which delivery it is, without the signature."""
        return {"Content-Type": "application/json", "Packmule-Delivery": self.public_id}

    @property
    def request(self) -> dict[str, Any]:
        """What is sent, for people to look at: with the signature, whoever reads it could send it again."""
        headers = {**self.own_headers, "webhook-id": self.message_id}
        return {"method": "POST", "url": self.endpoint.url, "headers": headers, "body": self.body}

    @property
    def last(self) -> Mapping[str, Any] | None:
        """The last attempt."""
        return self.attempts[-1] if self.attempts else None


def _matches(wanted: str, kind: str) -> bool:
    if wanted == "*" or wanted == kind:
        return True
    return wanted.endswith(".*") and kind.startswith(wanted[:-1])
