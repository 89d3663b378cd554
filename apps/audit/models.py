"""Events of record: one row for each mutating operation, written in its transaction and never changed."""

from __future__ import annotations

from typing import Any, ClassVar

from django.db import models

from apps.audit.querysets import EventQuerySet
from apps.core.ids import Identified
from apps.core.walls import walled


@walled("organization_id", append_only=True)
class Event(Identified):
    """What was done, by whom, for whom, through which credential, to what, and which fields it changed.

    Everything in it is a snapshot, ids as they are shown outside: it stays true after every row that it names is gone.
    """

    id_prefix = "aud"

    at = models.DateTimeField()
    operation = models.CharField(max_length=80)
    risk = models.CharField(max_length=16)
    actor_kind = models.CharField(max_length=20)
    actor_id = models.CharField(max_length=40, null=True)  # noqa: DJ001 - the system has no id
    actor_name = models.CharField(max_length=254)
    on_behalf_of = models.JSONField(null=True)
    owner = models.JSONField(null=True)
    credential_kind = models.CharField(max_length=20)
    credential_id = models.CharField(max_length=40, null=True)  # noqa: DJ001 - a session has no id that is shown
    minted_by = models.CharField(  # noqa: DJ001 - only what was done with a token can have one
        max_length=40, null=True, help_text="The key by which the client of the token was registered"
    )
    chain = models.JSONField(default=list)
    resource_type = models.CharField(max_length=40, blank=True)
    resource_id = models.CharField(max_length=40, null=True)  # noqa: DJ001 - not every operation has a resource
    resource_name = models.CharField(max_length=200, blank=True)
    tenant = models.CharField(max_length=120)
    home = models.CharField(max_length=120, help_text="The tenant whose directory holds the actor")
    organization_id = models.UUIDField(null=True)
    organization_slug = models.CharField(max_length=40, blank=True)
    request_id = models.CharField(max_length=80)
    edge = models.CharField(max_length=16)
    ip = models.GenericIPAddressField(null=True)
    reason = models.TextField(blank=True)
    changes = models.JSONField(default=list)
    mirror_of = models.CharField(  # noqa: DJ001 - most are no mirror
        max_length=40, null=True, help_text="The entry in `tenant` that says more"
    )

    objects: ClassVar[EventQuerySet] = EventQuerySet.as_manager()  # type: ignore[assignment]

    class Meta:
        indexes = [
            models.Index(fields=["organization_id", "id"], name="audit_event_organization"),
            models.Index(fields=["resource_id", "id"], name="audit_event_resource"),
            models.Index(fields=["actor_id", "id"], name="audit_event_actor"),
            models.Index(fields=["credential_id", "id"], name="audit_event_credential"),
            models.Index(
                fields=["minted_by", "id"],
                name="audit_event_minted_by",
                condition=models.Q(minted_by__isnull=False),
            ),
            models.Index(fields=["request_id"], name="audit_event_request"),
            models.Index(fields=["at"], name="audit_event_at"),
        ]

    def __str__(self) -> str:
        return f"{self.operation} by {self.actor_name}"

    @property
    def actor(self) -> dict[str, Any]:
        """Who acted."""
        return {"kind": self.actor_kind, "id": self.actor_id, "name": self.actor_name}

    @property
    def credential(self) -> dict[str, Any]:
        """Through which credential, and by whom it was minted, the first minter first."""
        return {
            "id": self.credential_id,
            "kind": self.credential_kind,
            "minted_by": self.minted_by,
            "chain": self.chain,
        }

    @property
    def resource(self) -> dict[str, Any] | None:
        """What was acted on; None where the operation has no resource of its own."""
        if self.resource_id is None:
            return None
        return {"type": self.resource_type, "id": self.resource_id, "name": self.resource_name}

    @property
    def organization(self) -> dict[str, Any] | None:
        """The organization whose trail it is; None for what belongs to the tenant as a whole."""
        if self.organization_id is None:
            return None
        return {"id": self.organization_id, "slug": self.organization_slug}


@walled("organization_id", append_only=True)
class Touch(models.Model):
    """A thing that an event changed, or pointed at, beside its resource: what a timeline finds it by.

    The changes say it too, but JSON and arrays cannot be searched by index behind the organizations' wall.
    """

    pk = models.CompositePrimaryKey("resource_id", "event_id")
    resource_id = models.CharField(max_length=40)
    event_id = models.UUIDField()
    organization_id = models.UUIDField(null=True)
    request_id = models.CharField(max_length=80)

    def __str__(self) -> str:
        return self.resource_id
