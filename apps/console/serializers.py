"""What comes out of the operators' calls."""

from apps.core.serializers import (
    BooleanField,
    CharField,
    DictField,
    IdField,
    IntegerField,
    ListField,
    Output,
    TimestampField,
)


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


class _MovedOutput(Output):
    """What was carried."""

    tenant = CharField(source="tenant.name")
    id = IdField("ten", source="tenant.id")
    path = CharField()
    sha256 = CharField(source="manifest.root", help_text="SHA-256 that stands for the whole archive.")
    rows = IntegerField(source="manifest.rows")
    files = IntegerField(source="manifest.blobs.count", help_text="Contents of files.")
    file_bytes = IntegerField(source="manifest.blobs.bytes")
    data_keys = IntegerField(help_text="Keys that open what the tenant sealed.")
    sealed = DictField(source="manifest.sealed", help_text="Rows with something sealed, by table.")
    warnings = ListField(child=CharField())


class ExportOutput(_MovedOutput):
    """An export that was written."""

    written = IntegerField(help_text="Contents of files that were fetched from the store.")
    present = IntegerField(
        help_text="Contents that lay there already: an export that broke off brought them, or another file."
    )
    left_out = DictField(source="manifest.left_out", help_text="Tables that stay behind, and why.")


class ImportOutput(_MovedOutput):
    """An import that is in service."""

    written = IntegerField(help_text="Contents of files that were brought into the store.")
    present = IntegerField(help_text="Contents that an earlier import had brought.")
