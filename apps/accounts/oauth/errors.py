"""What this room refuses below /v1. What the protocol's own endpoints refuse has the protocol's form."""

from apps.core.problems import Conflict, Forbidden, Remedy, ValidationFailed


def rotation(shown: str) -> Remedy:
    """What gets another secret for the client with the id `shown`."""
    command, path = (
        f"manage.py oauth_clients rotate-secret {shown}",
        f"/v1/oauth-clients/{shown}/rotate-secret",
    )
    return Remedy(command, "POST", path, {"overlap_seconds": 0})


class ScopeExceeded(Forbidden):
    """Somebody tried to hand on scopes that their own credential does not hold."""

    code, title = "scope_exceeded", "Nobody grants more than they hold"
    advice = "Leave out the scopes in `missing`, or use a credential that holds them."


class AddressBound(Forbidden):
    """A key that works from certain addresses only tried to get a client whose tokens would work from everywhere."""

    code, title = "address_bound", "Your key is allowed from certain addresses only"
    advice = (
        "Register a client that acts as a machine with a key that may be used from anywhere: its tokens may."
    )


class RedirectRefused(ValidationFailed):
    """A redirect URI is neither https nor http on the machine itself, or holds what is never compared."""

    code, title = "redirect_refused", "That is no redirect URI a client can have"
    advice = (
        "Write it exactly as it is sent: https://…, or for programs on a person's machine http://127.0.0.1/…, "
        "http://[::1]/… or http://localhost/…, where every port fits. No fragment, user, or wildcard."
    )


class ClientShapeRefused(ValidationFailed):
    """Kind, grants, redirect URIs and machine of a client do not go together."""

    code, title = "client_shape_refused", "These do not go together in one client"
    advice = "See docs/oauth.md for what each grant needs."


class ClientHasNoSecret(Conflict):
    """A public client keeps no secret, so there is none to rotate."""

    code, title = "client_has_no_secret", "A public client has no secret"
    advice = "Register a confidential client for a program that can keep one."
