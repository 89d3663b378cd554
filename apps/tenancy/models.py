"""The registry: which tenants there are, by which hosts they are reached, and from what they are made."""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.db.models.functions import Now
from django_tenants.models import DomainMixin, TenantMixin

from apps.core import clock
from apps.core.actor import TenantRef
from apps.core.ids import Identified, uuid7
from apps.core.walls import filled_by_tenants
from apps.tenancy.querysets import TenantQuerySet

CONSOLE = "console"
ENVIRONMENT = "environment"


class TenantState(models.TextChoices):
    """A spare is built and unclaimed; a deleted tenant can be restored until it is dropped.

    One that is being imported serves nobody yet.
    """

    SPARE = "spare", "Spare"
    IMPORTING = "importing", "Being imported"
    ACTIVE = "active", "Active"
    DELETED = "deleted", "Deleted"


class Tenant(Identified, TenantMixin):  # type: ignore[misc, django-manager-missing]
    """A walled space: one schema, two roles, and this row."""

    id_prefix = "ten"
    auto_create_schema = False
    auto_drop_schema = False

    kind = models.CharField(max_length=16, choices=[(CONSOLE, "Console"), (ENVIRONMENT, "Environment")])
    name = models.CharField(max_length=120, blank=True, help_text="`console` or `application/environment`")
    protected = models.BooleanField(default=False)
    state = models.CharField(max_length=16, choices=TenantState, default=TenantState.SPARE)
    fingerprint = models.CharField(max_length=64, help_text="What this schema was built from")
    owner_organization_id = models.UUIDField(null=True, help_text="The console's organization that owns it")
    events_kept_days = models.PositiveIntegerField(default=30, help_text="How long its event log goes back")
    created_at = models.DateTimeField(db_default=Now())
    deleted_at = models.DateTimeField(null=True)

    objects: ClassVar[TenantQuerySet] = TenantQuerySet.as_manager()  # type: ignore[assignment]

    class Meta:
        db_table = '"public"."tenancy_tenant"'
        constraints = [
            models.UniqueConstraint(
                fields=["name"], condition=models.Q(state="active"), name="tenancy_tenant_name_active"
            )
        ]

    def __str__(self) -> str:
        return self.name or self.schema_name

    @property
    def ref(self) -> TenantRef:
        """The tenant as an actor carries it."""
        return TenantRef(self.id, self.name, self.schema_name, self.kind, self.protected)

    @property
    def is_active(self) -> bool:
        """True when calls may act on it."""
        return self.state == TenantState.ACTIVE


class Domain(DomainMixin):  # type: ignore[misc]
    """A host by which a tenant is reached."""

    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        db_table = '"public"."tenancy_domain"'

    def __str__(self) -> str:
        return str(self.domain)


class Blueprint(models.Model):
    """The captured DDL from which tenants of one kind are made, and the fingerprint of the code that made it."""

    kind = models.CharField(max_length=16, primary_key=True)
    fingerprint = models.CharField(max_length=64)
    schema_name = models.CharField(max_length=63)
    sql = models.TextField()
    created_at = models.DateTimeField(auto_now=True)

    class Meta:
        db_table = '"public"."tenancy_blueprint"'

    def __str__(self) -> str:
        return self.kind


class RateCounter(models.Model):
    """One bucket of the rate limiter: its theoretical arrival time (GCRA). The table is unlogged."""

    key = models.CharField(max_length=120, primary_key=True)
    arrives_at = models.DateTimeField()

    class Meta:
        db_table = '"public"."tenancy_ratecounter"'

    def __str__(self) -> str:
        return self.key


@filled_by_tenants("schema_name")
class Errand(models.Model):
    """Something that the worker is to do in a tenant soon: a duty by its name (apps.tenancy.patrol)."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    schema_name = models.CharField(max_length=63)
    duty = models.CharField(max_length=60)
    due_at = models.DateTimeField(default=clock.now)

    class Meta:
        db_table = '"public"."tenancy_errand"'
        indexes: ClassVar = [models.Index(fields=["due_at"], name="tenancy_errand_due")]

    def __str__(self) -> str:
        return f"{self.schema_name} {self.duty}"


class DataKey(models.Model):
    """A tenant's key for its secrets, wrapped by the master key; the row without a tenant is the canary.

    Rows are made and never changed. They go with their tenant, and what was sealed under them then opens nowhere.
    """

    tenant = models.ForeignKey(Tenant, null=True, on_delete=models.CASCADE, related_name="+")
    version = models.PositiveIntegerField()
    wrapped = models.BinaryField()
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        db_table = '"public"."tenancy_datakey"'
        constraints = [
            models.UniqueConstraint(
                fields=["tenant", "version"], nulls_distinct=False, name="tenancy_datakey_tenant_version"
            )
        ]

    def __str__(self) -> str:
        return f"{self.tenant_id or 'canary'}/{self.version}"
