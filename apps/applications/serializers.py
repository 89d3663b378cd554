"""What goes in and out of the calls about applications."""

from uuid import UUID

from apps.applications.models import ENVIRONMENT_NAME_LENGTH
from apps.core.ids import encode
from apps.core.parameters import ListParameters
from apps.core.serializers import (
    BooleanField,
    CharField,
    IdField,
    IntegerField,
    NameField,
    Output,
    SlugField,
    StrictSerializer,
    TimestampField,
)


class ApplicationInput(StrictSerializer):
    """A new application."""

    slug = SlugField(help_text="Its name in hosts and tenants; unique in the installation, and final.")
    name = NameField(help_text="Its name for people.")
    organization = IdField(
        "org", required=False, help_text="For an actor of the console as a whole: who owns it."
    )


class ApplicationPatch(StrictSerializer):
    """What may be changed about an application."""

    name = NameField()


class ApplicationFilter(ListParameters):
    """Which applications to list."""

    slug = CharField(required=False, help_text="Only the one with this slug.")


class EnvironmentInput(StrictSerializer):
    """A new environment."""

    name = SlugField(max_length=ENVIRONMENT_NAME_LENGTH)
    protected = BooleanField(default=False, help_text="True: what is destructive or secret needs a person.")


class _EnvironmentIdField(IdField):
    """An environment's id, also where the database made it text."""

    def to_representation(self, value: object) -> str:
        return encode(self.prefix, UUID(str(value)))


class EnvironmentOutput(Output):
    """An environment."""

    id = IdField("env")
    name = CharField()
    tenant = CharField(source="tenant_name", help_text="What Packmule-Environment takes.")
    protected = BooleanField()
    created_at = TimestampField()


class EnvironmentSummary(Output):
    """An environment, as an application lists it."""

    id = _EnvironmentIdField("env")
    name = CharField()
    tenant = CharField()
    protected = BooleanField()


class ApplicationOutput(Output):
    """An application with its environments."""

    id = IdField("app")
    slug = CharField()
    name = CharField()
    organization = IdField("org", source="organization_id")
    environments = EnvironmentSummary(many=True, source="live_environments")
    version = IntegerField()
    created_at = TimestampField()
