"""Why a credential opens nothing, and why one may not be minted. One code a reason."""

from __future__ import annotations

from apps.core.problems import (
    Conflict,
    Forbidden,
    MalformedRequest,
    Remedy,
    ServiceUnavailable,
    Unauthenticated,
    ValidationFailed,
)

#: How to get a key when one is not good any more: by whoever has a good one.
NEW_KEY = Remedy(
    command="manage.py keys create --name NAME --scopes SCOPES",
    method="POST",
    path="/v1/keys",
    body={"name": "replacement", "kind": "secret", "scopes": ["*"]},
)


def rotation(shown: str) -> Remedy:
    """What gets another secret for the key with the id `shown`."""
    command, path = f"manage.py keys rotate {shown}", f"/v1/keys/{shown}/rotate"
    return Remedy(command, "POST", path, {"overlap_seconds": 0})


class KeyMalformed(Unauthenticated):
    """What was sent as a key does not look like one."""

    code, title = "key_malformed", "That is no key"
    advice = "Send the whole key, `pmk_…`, as `Authorization: Bearer <key>`."


class KeyTruncated(Unauthenticated):
    """The key lost its end, or one of its characters was changed: its checksum does not fit."""

    code, title = "key_truncated", "The key is incomplete"
    advice = "Copy it again from where it was stored; the server cannot show it a second time."


class KeyUnknown(Unauthenticated):
    """The key is well formed and none of this installation, or it was replaced by a rotation."""

    code, title = "key_unknown", "Nobody has that key here"
    advice = "Check that it belongs to this installation; after a rotation the new one counts."


class KeyExpired(Unauthenticated):
    """The key's time is over."""

    code, title = "key_expired", "The key has expired"
    advice = "Mint another one with a key that is alive, or in the admin."


class KeyRevoked(Unauthenticated):
    """The key was revoked, or the key that minted it was, or its principal is gone."""

    code, title = "key_revoked", "The key was revoked"
    advice = "Mint another one with a key that is alive, or in the admin."


class SessionEnded(Unauthenticated):
    """The session is none of this tenant, it ended, or the password was changed since."""

    code, title = "session_ended", "There is no such session here"
    advice = "Sign in again below /_allauth/app/v1/auth/ and send the new session token."


class HandOffEnded(Unauthenticated):
    """The session in an environment's admin is over: its own, or what it rests on in the console."""

    code, title = "hand_off_ended", "This admin was closed"
    advice = "Open the environment anew from the console."


class TokenBroken(Unauthenticated):
    """What was sent begins like a token and lost its end, or was changed."""

    code, title = "token_broken", "The token is incomplete"
    advice = "Copy it again, or sign in again."


class TokenKindWrong(Unauthenticated):
    """A refresh token or a client's secret was sent where an access token belongs."""

    code, title = "token_kind_wrong", "That is no access token"
    advice = (
        "Exchange a refresh token at the tenant's token endpoint, and send the access token that comes back."
    )


class TokenUnknown(Unauthenticated):
    """The access token is none of the tenant that it names, or it was revoked."""

    code, title = "token_unknown", "Nobody has that token here"
    advice = "Refresh it, or sign in again; see the authorization server in `resource_metadata`."


class TokenExpired(Unauthenticated):
    """The access token's time is over."""

    code, title = "token_expired", "The token has expired"
    advice = "Exchange the refresh token for a new one, or sign in again."


class TokenEnded(Unauthenticated):
    """The person has a new password or signed out everywhere since they let the client in."""

    code, title = "token_ended", "The sign-in behind this token is over"
    advice = "Let the person sign in and allow it again."


class TokenAudienceWrong(Unauthenticated):
    """The access token was not given for this tenant's API."""

    code, title = "token_audience_wrong", "The token is not meant for this API"
    advice = "Ask for one with a scope of the API; `resource` may name the API and nothing else."


class ClientStopped(Unauthenticated):
    """The OAuth client is disabled or gone, or somebody behind it is suspended."""

    code, title = "client_stopped", "The client of this token may not act"
    advice = "Ask whoever registered the client."


class TenantUnnamed(MalformedRequest):
    """A session token does not say which tenant it is of, and neither did the call."""

    code, title = "tenant_unnamed", "The call does not say which tenant it is for"
    advice = "Send the tenant's publishable key as Packmule-Key, or call the tenant's own host."


class CookiesNeedOwnHost(MalformedRequest):
    """A cookie of a host that all tenants share would be sent to each of them."""

    code, title = "cookies_need_own_host", "Cookies work on the tenant's own host only"
    advice = "Call the tenant's own host, or use /_allauth/app/ with X-Session-Token."


class PublishableKeyNeeded(Unauthenticated):
    """`Packmule-Key` names a tenant for everybody to see; a secret key has no place there."""

    code, title = "publishable_key_needed", "Packmule-Key takes a publishable key"
    advice = "Send a secret key as `Authorization: Bearer <key>`, and never from a browser."


class PrincipalSuspended(Unauthenticated):
    """The user, service account or agent behind the credential is suspended."""

    code, title = "principal_suspended", "Who this credential belongs to is suspended"
    advice = "An admin of its organization can lift the suspension."


class MinterSuspended(Unauthenticated):
    """Somebody who minted or rotated the key, or through whom it was minted, is suspended: their doings stop too."""

    code, title = "minter_suspended", "Somebody behind this credential is suspended"
    advice = "It works again when the suspension is lifted; or let somebody else mint a new key."


class AgentUnanswered(Unauthenticated):
    """The person or service account that answered for the agent is suspended, or has left."""

    code, title = "agent_unanswered", "Nobody answers for this agent"
    advice = "It works again when somebody takes it over, or when its owner's suspension is lifted."


class TenantDeleted(Unauthenticated):
    """The tenant of the credential was deleted."""

    code, title = "tenant_deleted", "The tenant of this credential was deleted"
    advice = "Its data is kept until an operator drops it; ask them."


class WrongTenant(Unauthenticated):
    """This host belongs to one tenant, the credential to another."""

    code, title = "wrong_tenant", "The credential belongs to another tenant than this host"
    advice = "Call the tenant's own host, or the installation's API address."


class AddressNotAllowed(Forbidden):
    """The key may be used from certain addresses only, and the call came from another one."""

    code, title = "ip_not_allowed", "The key is not allowed from this address"
    advice = "Call from an allowed address, or mint a key with `allowed_ips` that include it."


class OriginNotAllowed(Forbidden):
    """The publishable key may be used on certain websites only, and the call came from another one."""

    code, title = "origin_not_allowed", "The key is not allowed on this website"
    advice = "Mint a publishable key with this origin in `allowed_origins`."


class NotAMember(Forbidden):
    """The person behind the credential is no member of that organization any more."""

    code, title = "not_a_member", "Not a member of this organization any more"
    advice = "Name another organization in `Packmule-Organization`, or ask to be invited again."


class OrganizationRequired(MalformedRequest):
    """A person in several organizations has to say within which one they act."""

    code, title = "organization_required", "Say within which organization"
    advice = "Send `Packmule-Organization: org_…` with one of those in `organizations`."


class TenantMismatch(Conflict):
    """`Packmule-Expect-Tenant` names another tenant than the one that would have been acted on."""

    code, title = "tenant_mismatch", "This would act on another tenant"
    advice = (
        "Use the credential of the expected tenant, or name it in `Packmule-Environment`. Nothing was done."
    )


class TenantBehind(ServiceUnavailable):
    """The tenant was built for other code than the code that runs."""

    code, title = "tenant_behind", "The tenant is not up to date with the code"
    advice = "An operator brings every tenant up to date with `manage.py prepare`."


class ScopeExceeded(Forbidden):
    """Somebody tried to hand on scopes that their own credential does not hold."""

    code, title = "scope_exceeded", "Nobody grants more than they hold"
    advice = "Leave out the scopes in `missing`, or use a credential that holds them."


class AddressesExceeded(Forbidden):
    """Somebody whose key works from certain addresses only tried to mint one that works from others."""

    code, title = "ip_exceeded", "The new key would work from more addresses than yours"
    advice = "Leave out `allowed_ips` to hand on your own, or name networks within them."


class MintingRefused(Forbidden):
    """This kind of actor does not mint keys for that kind of principal."""

    code, title = "minting_refused", "Not for that principal"
    advice = "Agents mint for themselves and for service accounts; people for themselves, service accounts and agents."


class OriginRefused(ValidationFailed):
    """An allowed origin is not written as `scheme://host[:port]`, or is `*` where that is not taken."""

    code, title, field = "origin_refused", "That is no origin a key can have", "allowed_origins"
    advice = "Write it as the browser sends it, such as https://app.example.com; `*` only in unprotected environments."


class IpRefused(ValidationFailed):
    """An allowed address is no IPv4 or IPv6 network in CIDR notation."""

    code, title, field = "ip_refused", "That is no network", "allowed_ips"
    advice = "Write addresses or networks such as 203.0.113.7 or 10.0.0.0/8."


class SecretOutgoing(Forbidden):
    """A secret that a rotation has replaced still opens what it opened; it mints, rotates and registers nothing."""

    code, title = "secret_outgoing", "That secret was replaced"
    advice = "Use the new secret, or another key: what is made with this one would outlive it."


class KeyNotAlive(Conflict):
    """The key is revoked or expired; it can neither be rotated nor mint."""

    code, title = "key_not_alive", "The key is not alive"
    advice = "Mint a new one."
