"""What this room refuses."""

from apps.core.problems import Conflict, Forbidden


class RoleExceedsOwn(Forbidden):
    """The role that would be given, changed or taken away is above the caller's own."""

    code, title = "role_exceeds_own", "That role is above your own"
    advice = "Give a role up to your own, or ask somebody who holds the higher one."


class CredentialTooNarrow(Forbidden):
    """A key with some scopes only tried to give a person a role, which they would hold whole."""

    code, title = "credential_too_narrow", "That credential is too narrow to give out roles"
    advice = "Use a key with the scope *, or do it in a session of your own."


class SelfWidening(Forbidden):
    """A machine tried to change its own role, or to end its own suspension."""

    code, title = "self_widening", "A machine does not decide about itself"
    advice = "Let a person, or another principal with at least its role, make this change."


class DirectoryOfTenant(Forbidden):
    """A person belongs to the whole tenant, and an organization's actor may not change them for everybody."""

    code, title = "directory_of_tenant", "The directory belongs to the tenant"
    advice = "Remove the person from your organization, or use a credential of the tenant as a whole."


class EmailTaken(Conflict):
    """There is a person with that e-mail in this tenant's directory."""

    code, title = "email_taken", "There is a person with that e-mail already"
    advice = "Add them to an organization by their e-mail."


class OwnAccount(Conflict):
    """A person tried to suspend themselves."""

    code, title = "own_account", "Nobody suspends themselves"
    advice = "Ask somebody else who may change the directory."
