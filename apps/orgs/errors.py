"""What this room refuses."""

from apps.core.problems import Conflict, Forbidden


class SlugTaken(Conflict):
    """Another organization of this tenant has that slug; it may be one that the caller cannot see."""

    code, title = "slug_taken", "That slug is taken"
    advice = "Choose another slug."


class OrganizationInUse(Conflict):
    """Something still belongs to the organization that does not go with it."""

    code, title = "organization_in_use", "The organization still has something"
    advice = "Delete what `detail` names first."


class PersonalOrganizationStays(Conflict):
    """A person's own organization is what they act in when there is no other."""

    code, title = "personal_organization_stays", "A personal organization stays with its person"
    advice = "Only a credential of the tenant as a whole deletes it."


class FoundingRefused(Forbidden):
    """A machine that belongs to an organization may not make another one beside it."""

    code, title = "founding_refused", "A machine of an organization does not found another one"
    advice = "Let a person found it, or use a credential of the tenant as a whole."


class AlreadyMember(Conflict):
    """The person is a member of the organization already."""

    code, title = "already_member", "The person is a member already"
    advice = "Change the role of the membership instead."


class LastOwner(Conflict):
    """The organization would be left without an owner who can act."""

    code, title = "last_owner", "The last owner stays"
    advice = "Make another member an owner first."
