"""What this room refuses."""

from apps.core.problems import Conflict, Forbidden, NotFound, RateLimited


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
    advice = "Its person keeps it; a credential of the tenant as a whole may delete it."


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


class InvitationNeeded(Forbidden):
    """An e-mail was given for adding somebody who has not agreed; only a credential of the whole tenant does that."""

    code, title = "invitation_needed", "People join by an invitation"
    advice = "Invite them: they become a member when they accept."


class RoleSlugTaken(Conflict):
    """The organization has a role with that slug already."""

    code, title = "role_slug_taken", "There is a role with that slug already"
    advice = "Choose another slug, or change the role that has it."


class TooManyRoles(Conflict):
    """The organization has as many roles of its own as it can have."""

    code, title = "too_many_roles", "There are too many roles"
    advice = "Delete one that nobody holds."


class RoleInUse(Conflict):
    """Somebody holds the role, or is invited with it."""

    code, title = "role_in_use", "The role is in use"
    advice = "Give the holders that `detail` names another role first."


class TeamSlugTaken(Conflict):
    """The organization has a team with that slug already."""

    code, title = "team_slug_taken", "There is a team with that slug already"
    advice = "Choose another slug."


class AlreadyInTeam(Conflict):
    """The member is in the team already."""

    code, title = "already_in_team", "The member is in the team already"
    advice = "There is nothing left to do."


class InvitationPending(Conflict):
    """An invitation of the same e-mail to the same organization is open."""

    code, title = "invitation_pending", "They are invited already"
    advice = "Send that invitation again, or revoke it first."


class InvitationUnknown(NotFound):
    """The token belongs to no invitation of this tenant. A newer mail may have replaced the one it came with."""

    code, title = "invitation_unknown", "There is no such invitation"
    advice = "Use the link of the newest mail, whole, or ask to be invited again."


class InvitationExpired(Conflict):
    """The invitation waited for longer than it was good for."""

    code, title = "invitation_expired", "The invitation has expired"
    advice = "Ask whoever invited you to send it again."


class InvitationRevoked(Conflict):
    """The invitation was taken back."""

    code, title = "invitation_revoked", "The invitation was revoked"
    advice = "Ask to be invited again."


class InvitationUsed(Conflict):
    """The invitation was accepted or declined before; each works once."""

    code, title = "invitation_used", "The invitation was used before"
    advice = "If you accepted it, sign in; otherwise ask to be invited again."


class InvitationVoid(Conflict):
    """Whoever invited may not give that role any more: they left, have a lower role or are suspended, or so is whoever
    answers for them; or the key by which they invited was revoked.
    """

    code, title = "invitation_void", "The invitation is void"
    advice = "Ask somebody who may invite with this role to send it again."


class InvitationForAnother(Forbidden):
    """The invitation was sent to another e-mail than that of whoever is signed in. It is not said to which."""

    code, title = "invitation_for_another", "The invitation is for somebody else"
    advice = "Sign in, or sign up, with the e-mail that the invitation was sent to."


class InvitationJustSent(RateLimited):
    """The mail went out a moment ago."""

    code, title = "invitation_just_sent", "The invitation was sent a moment ago"
    advice = "Wait for the seconds in Retry-After."


class NewOwnerUnfit(Conflict):
    """The organization cannot go to that member: it is the caller's own membership, or the account is suspended."""

    code, title = "new_owner_unfit", "That member cannot take the organization over"
    advice = "Name another member, who is active."


class OwnerNeeded(Forbidden):
    """Only an owner hands an organization over."""

    code, title = "owner_needed", "Only an owner does this"
    advice = "Ask an owner of the organization."
