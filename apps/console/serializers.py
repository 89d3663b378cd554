"""What comes out of the operators' calls."""

from apps.core.serializers import BooleanField, CharField, IdField, ListField, Output, TimestampField


class TenantOutput(Output):
    """A tenant, as the registry knows it."""

    id = IdField("ten")
    name = CharField()
    kind = CharField()
    state = CharField()
    protected = BooleanField()
    schema = CharField(source="schema_name")
    owner_organization = IdField("org", source="owner_organization_id", allow_null=True)
    created_at = TimestampField()
    deleted_at = TimestampField(allow_null=True)


class TenantFindingOutput(Output):
    """What a check found about one tenant."""

    tenant = CharField(source="tenant.name")
    schema = CharField(source="tenant.schema_name")
    state = CharField(source="tenant.state")
    status = CharField(help_text="`current`, `behind` or `damaged`.")
    problems = ListField(child=CharField())
