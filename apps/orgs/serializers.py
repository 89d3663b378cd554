"""What goes in and out about organizations and their members."""

from apps.accounts.models import Status
from apps.accounts.roles import ROLES
from apps.accounts.serializers import ReasonInput, RoleField
from apps.core.actor import PrincipalKind
from apps.core.parameters import ListParameters
from apps.core.serializers import (
    BooleanField,
    CharField,
    ChoiceField,
    EmailField,
    IdField,
    IntegerField,
    ListField,
    NameField,
    Output,
    ScopesField,
    SlugField,
    StrictSerializer,
    TimestampField,
)
from apps.orgs.models import InvitationStatus

#: For how many days an invitation is good, unless it says otherwise, and at most.
INVITED_FOR, INVITED_AT_MOST = 7, 30
#: Names that an organization's own role cannot have.
_BUILT_IN = frozenset(ROLES)


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
    """A new member who was not asked: an existing person, named by id or by e-mail."""

    user = IdField("usr", default=None, allow_null=True, help_text="A person that the caller can see.")
    email = EmailField(
        default=None,
        allow_null=True,
        help_text="Of a person of this tenant; takes a credential of the whole tenant.",
    )
    role = RoleField(default="developer")


class MemberPatch(StrictSerializer):
    """What may be changed about a member."""

    role = RoleField()


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
    role = CharField()
    version = IntegerField()
    created_at = TimestampField()


class TransferInput(ReasonInput):
    """Who owns the organization from now on, and why."""

    membership = IdField("mem", help_text="The member who becomes the owner.")


class OwnOrganizationOutput(Output):
    """An organization that one is in."""

    id = CharField(source="public_id")
    slug = CharField()
    name = CharField()
    personal = BooleanField()


class OwnMembershipOutput(Output):
    """A membership of one's own."""

    id = CharField(source="public_id")
    organization = OwnOrganizationOutput()
    role = CharField()
    version = IntegerField()
    created_at = TimestampField()


class OwnMembershipsOutput(Output):
    """All memberships of one's own."""

    data = OwnMembershipOutput(many=True)  # type: ignore[assignment]
    next_cursor = CharField(allow_null=True)


class RoleInput(StrictSerializer):
    """A new role of the organization's own."""

    slug = SlugField(reserved=_BUILT_IN, help_text="What holders name it by; unique in the organization.")
    name = NameField()
    description = NameField(default="", allow_blank=True, max_length=500)
    permissions = ScopesField(help_text="What it allows, as scopes; at most what the caller's own role does.")


class RolePatch(StrictSerializer):
    """What may be changed about a role; its slug stays."""

    name = NameField()
    description = NameField(allow_blank=True, max_length=500)
    permissions = ScopesField(help_text="What it allows, as scopes; at most what the caller's own role does.")


class RoleOutput(Output):
    """A role: a bundle of permissions."""

    id = CharField(source="public_id", allow_null=True)
    slug = CharField()
    name = CharField()
    description = CharField()
    permissions = ScopesField()
    built_in = BooleanField()
    version = IntegerField(allow_null=True)
    created_at = TimestampField(allow_null=True)


class OfferedRoleOutput(RoleOutput):
    """A role, with whether the caller may give it."""

    id = CharField(allow_null=True)
    grantable = BooleanField()


class RolesOutput(Output):
    """All roles of an organization, the built-in ones first."""

    data = OfferedRoleOutput(many=True)  # type: ignore[assignment]
    next_cursor = CharField(allow_null=True)


class TeamInput(StrictSerializer):
    """A new team."""

    slug = SlugField(reserved=frozenset(), help_text="Unique in the organization.")
    name = NameField()
    description = NameField(default="", allow_blank=True, max_length=500)


class TeamPatch(StrictSerializer):
    """What may be changed about a team."""

    slug = SlugField(reserved=frozenset(), help_text="Unique in the organization.")
    name = NameField()
    description = NameField(allow_blank=True, max_length=500)


class TeamOutput(Output):
    """A team of an organization."""

    id = CharField(source="public_id")
    slug = CharField()
    name = CharField()
    description = CharField()
    organization = IdField("org", source="organization_id")
    version = IntegerField()
    created_at = TimestampField()


class TeamMemberInput(StrictSerializer):
    """Who joins a team."""

    membership = IdField("mem", help_text="A member of the team's organization.")


class TeamMemberOutput(Output):
    """A member of an organization in one of its teams."""

    membership = IdField("mem", source="membership_id")
    user = MemberUserOutput(source="membership.user")
    role = CharField(source="membership.role")
    team = IdField("tea", source="team_id")
    created_at = TimestampField()


class InvitationParameters(ListParameters):
    """Filters of invitations."""

    status = ChoiceField(
        choices=InvitationStatus.choices, required=False, help_text="Only those that stand so now."
    )
    email = EmailField(required=False, help_text="Only those to this e-mail.")


class _DaysField(IntegerField):
    """For how long an invitation is good."""

    def __init__(self) -> None:
        super().__init__(
            default=INVITED_FOR,
            min_value=1,
            max_value=INVITED_AT_MOST,
            help_text=f"For how many days the link works; at most {INVITED_AT_MOST}.",
        )


class InvitationInput(StrictSerializer):
    """Whom to invite, and as what."""

    email = EmailField(help_text="Where the mail goes; compared in lower case.")
    role = RoleField(default="developer")
    teams = ListField(child=IdField("tea"), default=list, help_text="The teams to join with it.")
    expires_in_days = _DaysField()


class ResendInput(StrictSerializer):
    """For how long the new link works."""

    expires_in_days = _DaysField()


class InviterOutput(Output):
    """Who invited, as known when it was sent."""

    kind = ChoiceField(choices=[kind.value for kind in PrincipalKind], source="inviter_kind")
    name = CharField(source="inviter_name")


class InvitationOutput(Output):
    """An offer to join an organization. Its link is in the mail alone."""

    id = CharField(source="public_id")
    email = EmailField()
    role = CharField()
    teams = ListField(child=CharField(), source="team_ids")
    organization = IdField("org", source="organization_id")
    status = ChoiceField(choices=InvitationStatus.choices, source="standing")
    inviter = InviterOutput(source="*")
    expires_at = TimestampField()
    sent_at = TimestampField()
    version = IntegerField()
    created_at = TimestampField()


class TokenInput(StrictSerializer):
    """The token of an invitation: the last part of the mail's link."""

    token = CharField(max_length=100, write_only=True, help_text="The last part of the link in the mail.")


class PreviewOrganizationOutput(Output):
    """Into which organization."""

    name = CharField()


class PreviewInviterOutput(Output):
    """Who invites."""

    kind = ChoiceField(choices=[kind.value for kind in PrincipalKind])
    name = CharField()


class PreviewOutput(Output):
    """What an invitation offers, for whoever holds its token."""

    organization = PreviewOrganizationOutput()
    inviter = PreviewInviterOutput()
    role = CharField()
    email = CharField(help_text="Half of it: enough to recognise one's own.")
    expires_at = TimestampField()
