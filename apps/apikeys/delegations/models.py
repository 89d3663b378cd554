"""Delegations: by which a principal acts for a person or a service account, and what it asked for."""

from __future__ import annotations

from datetime import timedelta
from typing import ClassVar

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models.functions import Now

from apps.apikeys.delegations.querysets import DelegationQuerySet
from apps.apikeys.snapshots import read_chain, shown
from apps.core import clock
from apps.core.actor import PrincipalKind, PrincipalRef
from apps.core.ids import Identified
from apps.core.scopes import Scopes
from apps.core.walls import walled

#: No delegation lasts longer than this.
LONGEST = timedelta(days=90)
#: How long a request waits for an answer.
WAITS_FOR = timedelta(days=1)


class Standing(models.TextChoices):
    """What a delegation is at this moment; `active` alone lets anybody act."""

    PENDING = "pending", "Waits for an answer"
    ACTIVE = "active", "Active"
    DENIED = "denied", "Denied"
    EXPIRED = "expired", "Expired"
    USED_UP = "used_up", "Used up"
    REVOKED = "revoked", "Revoked"


@walled("organization")
class Delegation(Identified):
    """One principal, the delegate, may act for another, the delegator, in one organization.

    Without an organization it holds for the tenant as a whole, which only its own machines give each other. Principals
    are snapshots; whether they may still do it is read live, by whoever acts (see `acting`). A delegate of another
    tenant, an agent of the console, has `delegate_home_id`. A request has `asked_until`, and no `granted_at` before
    somebody agrees. `parent` is the delegation that was passed on.
    """

    id_prefix = "dlg"

    organization = models.ForeignKey(
        "orgs.Organization", null=True, on_delete=models.CASCADE, related_name="+"
    )
    delegator_kind = models.CharField(max_length=20)
    delegator_id = models.UUIDField()
    delegator_name = models.CharField(max_length=254)
    delegate_kind = models.CharField(max_length=20)
    delegate_id = models.UUIDField()
    delegate_name = models.CharField(max_length=254)
    delegate_home_id = models.UUIDField(
        null=True, help_text="The tenant whose directory holds the delegate, where it is another one"
    )
    delegate_owner = models.CharField(max_length=254, blank=True, help_text="Who answered for the delegate")
    scopes = models.JSONField(default=list)
    purpose = models.CharField(max_length=500, blank=True)
    expires_at = models.DateTimeField()
    max_uses = models.PositiveIntegerField(null=True)
    uses = models.PositiveIntegerField(default=0)
    parent = models.ForeignKey("self", null=True, on_delete=models.CASCADE, related_name="passed_on")
    asked_until = models.DateTimeField(null=True)
    granted_at = models.DateTimeField(null=True)
    denied_at = models.DateTimeField(null=True)
    revoked_at = models.DateTimeField(null=True)
    revoked_by = models.JSONField(null=True)
    credential_id = models.UUIDField(null=True, help_text="The key with which it was given; revoked with it")
    chain = models.JSONField(default=list, help_text="Who gave it, through whom, as snapshots")
    lineage = ArrayField(
        models.UUIDField(),
        default=list,
        help_text="The marks of those besides the delegator behind the credential with which it was given",
    )
    created_at = models.DateTimeField(db_default=Now())

    objects: ClassVar[DelegationQuerySet] = DelegationQuerySet.as_manager()  # type: ignore[assignment]

    class Meta:
        indexes = [
            models.Index(fields=["delegate_id", "delegator_id"], name="apikeys_delegation_delegate"),
            models.Index(fields=["delegator_id"], name="apikeys_delegation_delegator"),
            models.Index(
                fields=["credential_id"],
                name="apikeys_delegation_credential",
                condition=models.Q(credential_id__isnull=False),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.delegate_name} for {self.delegator_name}"

    @property
    def standing(self) -> str:
        """Its status at this moment. What ends exactly now has ended."""
        now = clock.now()
        if self.revoked_at is not None:
            return Standing.REVOKED.value
        if self.denied_at is not None:
            return Standing.DENIED.value
        if self.granted_at is None:
            waits = self.asked_until is not None and self.asked_until > now and self.expires_at > now
            return Standing.PENDING.value if waits else Standing.EXPIRED.value
        if self.expires_at <= now:
            return Standing.EXPIRED.value
        return Standing.USED_UP.value if self.uses_left == 0 else Standing.ACTIVE.value

    @property
    def uses_left(self) -> int | None:
        """How often it can still be used; None without a limit of its own."""
        return None if self.max_uses is None else max(0, self.max_uses - self.uses)

    @property
    def held_scopes(self) -> Scopes:
        """The scopes, parsed."""
        return Scopes.parse(self.scopes)

    @property
    def delegator_ref(self) -> PrincipalRef:
        """For whom it is, as known when it was made."""
        return PrincipalRef(PrincipalKind(self.delegator_kind), self.delegator_id, self.delegator_name)

    @property
    def delegate_ref(self) -> PrincipalRef:
        """Who acts by it, as known when it was made."""
        return PrincipalRef(PrincipalKind(self.delegate_kind), self.delegate_id, self.delegate_name)

    @property
    def delegator(self) -> dict[str, str | None]:
        """For whom it is, with the shown id."""
        return shown(self.delegator_ref)

    @property
    def delegate(self) -> dict[str, str | None]:
        """Who acts by it, with the shown id."""
        return shown(self.delegate_ref)

    @property
    def from_console(self) -> bool:
        """True when the delegate is an agent of the console, who built the product."""
        return self.delegate_home_id is not None

    @property
    def given_by(self) -> list[dict[str, str | None]]:
        """The chain with shown ids."""
        return [shown(link) for link in read_chain(self.chain)]

    @property
    def revoker(self) -> dict[str, str | None] | None:
        """Who ended it; None where nobody decided that."""
        return shown(read_chain([self.revoked_by])[0]) if self.revoked_by else None

    @property
    def consent_path(self) -> str | None:
        """The page on which a pending one is answered."""
        waits = self.standing == Standing.PENDING.value
        return f"/accounts/delegations/{self.public_id}/" if waits else None
