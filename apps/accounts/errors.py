"""What this room refuses."""

from apps.core.problems import Conflict, Forbidden, ValidationFailed


class RoleExceedsOwn(Forbidden):
    """The role that would be given, changed or taken away is above the caller's own."""

    code, title = "role_exceeds_own", "That role is above your own"
    advice = "Give a role up to your own, or ask somebody who holds the higher one."


class RoleUnknown(ValidationFailed):
    """There is no such role, neither built in nor made by the organization in question."""

    code, title = "role_unknown", "There is no such role"
    advice = "See `GET /v1/organizations/{organization}/roles` for those there are."


class PersonNeeded(Forbidden):
    """Something that people do for themselves was tried by a machine, for somebody, or from another tenant."""

    code, title = "person_needed", "Only a person does this, for themselves"
    advice = "Let the person do it, signed in to this tenant."


class CredentialTooNarrow(Forbidden):
    """A key with some scopes only tried to give a person a role, which they would hold whole."""

    code, title = "credential_too_narrow", "That credential is too narrow to give out roles"
    advice = "Use a key with the scope *, or do it in a session of your own."


class SelfWidening(Forbidden):
    """A machine tried to change its own role, or to end its own suspension."""

    code, title = "self_widening", "A machine does not decide about itself"
    advice = "Let a person, or another principal with at least its role, make this change."


class PeerWidening(Forbidden):
    """An agent, or somebody through one, tried to end a machine's suspension or to say what another agent is for."""

    code, title = "peer_widening", "An agent does not free other machines"
    advice = "Suspending is open to you; let a person, or a program with a key that no agent minted, do this."


class DirectoryOfTenant(Forbidden):
    """A person belongs to the whole tenant, and an organization's actor may not change them for everybody."""

    code, title = "directory_of_tenant", "The directory belongs to the tenant"
    advice = "Remove the person from your organization, or use a credential of the tenant as a whole."


class EmailTaken(Conflict):
    """There is a person with that e-mail in this tenant's directory."""

    code, title = "email_taken", "There is a person with that e-mail already"
    advice = "Invite them to the organization by their e-mail."


class OwnAccount(Conflict):
    """A person tried to suspend themselves."""

    code, title = "own_account", "Nobody suspends themselves"
    advice = "Ask somebody else who may change the directory."


class AnsweringRefused(Forbidden):
    """An agent, or a machine of one organization, tried to say who answers for an agent."""

    code, title = "answering_refused", "People decide who answers for an agent"
    advice = (
        "Let a person do it, or a service account of the tenant as a whole, with a key that no agent minted."
    )


class OwnerUnfit(Conflict):
    """Who should answer for the agent is suspended, or does not hold a role where the agent acts that could give it."""

    code, title = "owner_unfit", "They cannot answer for this agent"
    advice = (
        "Name a member of the agent's organization, or a service account, with at least the agent's role."
    )
