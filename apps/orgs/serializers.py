"""What goes in and out about organizations and their members."""

from apps.accounts.models import Status
from apps.accounts.roles import ROLE_CHOICES
from apps.core.parameters import ListParameters
from apps.core.serializers import (
    BooleanField,
    CharField,
    ChoiceField,
    EmailField,
    IdField,
    IntegerField,
    NameField,
    Output,
    SlugField,
    StrictSerializer,
    TimestampField,
)


class OrganizationParameters(ListParameters):
    """Filters of organizations."""

    slug = CharField(required=False, max_length=40, help_text="Only the one with this slug.")


class OrganizationInput(StrictSerializer):
    """A new organization."""

    name = NameField()
    slug = SlugField(
        default=None, allow_null=True, help_text="Unique in the tenant; made from the name if left out."
    )


class OrganizationPatch(StrictSerializer):
    """What may be changed about an organization."""

    name = NameField()
    slug = SlugField(help_text="Unique in the tenant.")


class OrganizationOutput(Output):
    """An organization: a customer of the product; in the console, a company of builders."""

    id = CharField(source="public_id")
    slug = CharField()
    name = CharField()
    personal = BooleanField()
    version = IntegerField()
    created_at = TimestampField()


class MemberInput(StrictSerializer):
    """A new member: an existing person, named by id or by e-mail."""

    user = IdField("usr", default=None, allow_null=True, help_text="A person that the caller can see.")
    email = EmailField(default=None, allow_null=True, help_text="The e-mail of a person of this tenant.")
    role = ChoiceField(choices=ROLE_CHOICES, default="developer", help_text="At most the caller's own.")


class MemberPatch(StrictSerializer):
    """What may be changed about a member."""

    role = ChoiceField(choices=ROLE_CHOICES, help_text="At most the caller's own.")


class MemberUserOutput(Output):
    """The person who is a member."""

    id = CharField(source="public_id")
    email = EmailField()
    name = CharField()
    status = ChoiceField(choices=Status.choices)


class MemberOutput(Output):
    """A person in an organization, with a role."""

    id = CharField(source="public_id")
    user = MemberUserOutput()
    organization = IdField("org", source="organization_id")
    role = ChoiceField(choices=ROLE_CHOICES)
    version = IntegerField()
    created_at = TimestampField()
