"""Keys: the index that finds them before any tenant is known, and the row in the tenant that says what they may do."""

from __future__ import annotations

from typing import ClassVar

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.indexes import GinIndex
from django.db import models
from django.db.models.functions import Now

from apps.apikeys.delegations.models import Delegation
from apps.apikeys.handoffs import HandOff
from apps.apikeys.querysets import KeyQuerySet
from apps.apikeys.snapshots import read_chain, shown
from apps.core import clock
from apps.core.ids import Identified, encode, uuid7
from apps.core.models import Versioned
from apps.core.walls import walled


class KeyKind(models.TextChoices):
    """What a key is for; the value stands in the key itself."""

    SECRET = "sk", "Secret"
    PUBLISHABLE = "pk", "Publishable"
    AGENT = "ag", "Agent"
    USER = "us", "User"


class KeyIndex(models.Model):
    """The one place that says whether a key opens anything, and in which tenant.

    Hashes only. Rotation keeps the previous hash until `previous_until`; revoking a key revokes what it minted, in
    every tenant, because the minter's key is named here.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    tenant = models.ForeignKey("tenancy.Tenant", on_delete=models.CASCADE, related_name="+")
    kind = models.CharField(max_length=2, choices=KeyKind)
    digest = models.BinaryField(max_length=32)
    previous_digest = models.BinaryField(max_length=32, null=True)
    previous_until = models.DateTimeField(null=True)
    minted_by = models.ForeignKey("self", null=True, on_delete=models.SET_NULL, related_name="minted")
    organization_id = models.UUIDField(
        null=True, help_text="The key's organization: the wall behind which its row is"
    )
    rotated_by = models.ForeignKey("self", null=True, on_delete=models.SET_NULL, related_name="+")
    allowed_origins = models.JSONField(default=list)
    expires_at = models.DateTimeField()
    revoked_at = models.DateTimeField(null=True)
    last_used_at = models.DateTimeField(null=True)
    lineage = ArrayField(
        models.UUIDField(),
        default=list,
        help_text="The marks of whose key it is, and of everybody through whom it was minted",
    )

    class Meta:
        db_table = '"public"."apikeys_keyindex"'
        indexes = [
            GinIndex(fields=["lineage"], name="apikeys_keyindex_lineage"),
            GinIndex(
                fields=["allowed_origins"],
                opclasses=["jsonb_path_ops"],
                condition=models.Q(kind="pk"),
                name="apikeys_keyindex_origins",
            ),
        ]

    def __str__(self) -> str:
        return str(self.id)

    @property
    def is_alive(self) -> bool:
        """True while the key opens anything: neither revoked nor expired."""
        return self.revoked_at is None and self.expires_at > clock.now()


class Halt(models.Model):
    """A principal that is stopped, with everything that it made; one row for each cause (see `apps.apikeys.halts`).

    The cause is its own mark for a suspension; for an agent that nobody answers for, the mark of its owner, or of the
    organization that the owner left.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    mark = models.UUIDField()
    cause = models.UUIDField()
    tenant = models.ForeignKey("tenancy.Tenant", on_delete=models.CASCADE, related_name="+")
    kind = models.CharField(max_length=20)
    principal_id = models.UUIDField()
    since = models.DateTimeField(db_default=Now())

    class Meta:
        db_table = '"public"."apikeys_halt"'
        constraints = [models.UniqueConstraint(fields=["mark", "cause"], name="apikeys_halt_mark_cause")]
        indexes = [models.Index(fields=["cause"], name="apikeys_halt_cause")]

    def __str__(self) -> str:
        return f"{self.kind} {self.principal_id}"


@walled("organization")
class Key(Identified, Versioned):
    """A key as its tenant knows it: whose it is, what it may do, from where, and who minted it through which chain.

    Whether it is valid is said by the KeyIndex row with the same id (see `KeyQuerySet`, which brings it along as
    `index`).
    """

    id_prefix = "key"
    index: KeyIndex

    name = models.CharField(max_length=120)
    kind = models.CharField(max_length=2, choices=KeyKind)
    organization = models.ForeignKey(
        "orgs.Organization", null=True, on_delete=models.CASCADE, related_name="+"
    )
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.CASCADE, related_name="keys"
    )
    service_account = models.ForeignKey(
        "accounts.ServiceAccount", null=True, on_delete=models.CASCADE, related_name="keys"
    )
    agent = models.ForeignKey("accounts.Agent", null=True, on_delete=models.CASCADE, related_name="keys")
    scopes = models.JSONField(default=list)
    allowed_ips = models.JSONField(default=list)
    chain = models.JSONField(default=list, help_text="The minters, the first one first, as snapshots")
    created_at = models.DateTimeField(db_default=Now())

    objects: ClassVar[KeyQuerySet] = KeyQuerySet.as_manager()  # type: ignore[assignment]

    class Meta:
        constraints = [
            models.CheckConstraint(
                name="apikeys_key_one_principal",
                condition=models.expressions.RawSQL(
                    "num_nonnulls(user_id, service_account_id, agent_id) = 1", [], models.BooleanField()
                ),
            )
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def kind_word(self) -> str:
        """The kind as it is called outside."""
        return str(KeyKind(self.kind).label).lower()

    @property
    def principal_public_id(self) -> str:
        """The id of the user, service account or agent whose key it is."""
        if self.user_id is not None:
            return encode("usr", self.user_id)
        if self.agent_id is not None:
            return encode("agt", self.agent_id)
        return encode("svc", self.service_account_id)  # type: ignore[arg-type]

    @property
    def status(self) -> str:
        """active, expired or revoked. Whether its principal is suspended is said there."""
        if self.index.revoked_at is not None:
            return "revoked"
        return "active" if self.index.is_alive else "expired"

    @property
    def minters(self) -> list[dict[str, str | None]]:
        """The chain with shown ids."""
        return [shown(link) for link in read_chain(self.chain)]


__all__ = ["Delegation", "Halt", "HandOff", "Key", "KeyIndex", "KeyKind"]
