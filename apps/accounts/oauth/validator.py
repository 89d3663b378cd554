# ruff: noqa: ARG002 - oauthlib says which arguments its questions have
"""What oauthlib asks while it serves: allauth's answers, and where this platform is stricter its own.

Every client uses PKCE; codes and refresh tokens are good once, and one that comes a second time ends what it gave; each
token has an audience; a client reaches its own tokens alone.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from allauth.core import context
from allauth.core.internal import httpkit
from allauth.idp.oidc import app_settings
from allauth.idp.oidc.adapter import get_adapter
from allauth.idp.oidc.internal.oauthlib.request_validator import OAuthLibRequestValidator
from allauth.idp.oidc.internal.oauthlib.utils import get_validator_context
from allauth.idp.oidc.models import Client, Token
from oauthlib.common import Request

from apps.accounts.models import User
from apps.accounts.oauth import audiences, clients, codes, families, redirects, scopes, texts
from apps.core import clock
from apps.core.ids import uuid7


class Validator(OAuthLibRequestValidator):  # type: ignore[misc]
    """One for each call. `person` and `family` are whose tokens are given, and to what they belong.

    `redirect_uri` is the one that was found to be the client's own, and `spent` the refresh token that was shown.
    """

    def __init__(self) -> None:
        self.person: User | None = None
        self.begun_with = ""
        self.family: UUID = uuid7()
        self.redirect_uri = ""
        self.spent: Token | None = None

    # Clients.

    def _lookup_client(self, request: Request, client_id: Any) -> Client | None:
        known = get_validator_context().clients
        if client_id not in known:
            known[client_id] = clients.find_live(client_id) if isinstance(client_id, str) else None
        return known[client_id]

    def authenticate_client(self, request: Request, *_args: Any, **_kwargs: Any) -> bool:
        """True for a confidential client that shows its secret, in the header or in the body, not in both."""
        client_id, secret = httpkit.extract_basic_auth(request.headers)
        if not client_id and not secret:
            client_id, secret = request.client_id, request.client_secret
        elif request.client_secret:
            return False
        client = self._lookup_client(request, client_id)
        facts = clients.facts_of(client) if client is not None else None
        if facts is None or not facts.is_confidential or not clients.opens(facts, str(secret or "")):
            return False
        if request.client_id not in (None, client_id):
            return False
        self._use_client(request, client)
        return True

    def validate_grant_type(
        self, client_id: Any, grant_type: str, client: Client, request: Request, *_args: Any, **_kwargs: Any
    ) -> bool:
        """True for a grant that the client has."""
        return grant_type in client.get_grant_types()

    def validate_redirect_uri(
        self, client_id: Any, redirect_uri: str, request: Request, *_args: Any, **_kwargs: Any
    ) -> bool:
        """True for a redirect URI that the client has registered."""
        if not redirects.is_registered(redirect_uri, request.client.get_redirect_uris()):
            return False
        self.redirect_uri = redirect_uri
        return True

    def validate_response_type(self, *args: Any, **_kwargs: Any) -> bool:
        """True for a code, the one answer that there is, to a client that has redirect URIs."""
        response_type, request = args[1], args[3]
        return response_type == "code" and self.validate_grant_type(
            None, Client.GrantType.AUTHORIZATION_CODE, request.client, request
        )

    def validate_scopes(
        self, client_id: Any, wanted: list[str], client: Client, request: Request, *_args: Any, **_kwargs: Any
    ) -> bool:
        """True for scopes that the client may ask for; it has to ask for some."""
        return bool(wanted) and scopes.covered_by(wanted, request.client.get_scopes())

    def is_pkce_required(self, client_id: Any, request: Request) -> bool:
        """Always, of every client."""
        return True

    def is_origin_allowed(self, *_args: Any, **_kwargs: Any) -> bool:
        """Never: scripts of websites get no tokens here."""
        return False

    # Authorization codes.

    def save_authorization_code(
        self, client_id: str, code: dict[str, Any], request: Request, *_args: Any, **_kwargs: Any
    ) -> None:
        """Keep for whom and for what the code is."""
        if self.person is None:
            raise RuntimeError("A code is given for a person.")
        entry = {
            "redirect_uri": request.redirect_uri,
            "user": str(self.person.pk),
            "begun_with": self.begun_with,
            "scopes": request.scopes,
            "nonce": request.nonce,
            "code_challenge": request.code_challenge,
        }
        codes.keep(request.client.pk, code["code"], entry, app_settings.AUTHORIZATION_CODE_EXPIRES_IN)

    def validate_code(
        self, client_id: Any, code: str, client: Client, request: Request, *_args: Any, **_kwargs: Any
    ) -> bool:
        """True for a code that was given to this client and not shown yet. It is used up, come what may."""
        entry = self._lookup_authorization_code(request, client.pk, code)
        if entry is None or not codes.use_up(client.pk, code, str(self.family)):
            families.end_of_code(client.pk, codes.family_of_used(client.pk, code))
            return False
        if not self.goes_on(entry["user"], entry["begun_with"], client, entry["scopes"]):
            return False
        request.user, request.scopes = self.person, entry["scopes"]
        request.code_challenge, request.code_challenge_method = entry["code_challenge"], "S256"
        return True

    def _lookup_authorization_code(
        self, request: Request, client_id: Any, code: Any
    ) -> dict[str, Any] | None:
        known = get_validator_context().codes
        key = (str(client_id), str(code))
        if key not in known:
            known[key] = codes.look_up(*key)
        entry: dict[str, Any] | None = known[key]
        return entry

    def get_code_challenge(self, code: str, request: Request) -> str | None:
        """What the verifier has to fit."""
        entry = self._lookup_authorization_code(request, request.client_id, code)
        return entry["code_challenge"] if entry else None

    def get_code_challenge_method(self, code: str, request: Request) -> str | None:
        """The one way there is."""
        return "S256"

    def get_authorization_code_nonce(
        self, client_id: Any, code: str, redirect_uri: Any, request: Request
    ) -> str | None:
        """The nonce that came with the request for the code."""
        entry = self._lookup_authorization_code(request, client_id, code)
        return entry["nonce"] if entry else None

    def invalidate_authorization_code(self, *_args: Any, **_kwargs: Any) -> None:
        """Nothing is left to do: `validate_code` used it up."""

    # People.

    def is_still_in(self, user_id: Any, begun_with: str) -> bool:
        """Give tokens for that person; False when they are suspended, or were signed out everywhere since."""
        person: User | None = User.objects.filter(pk=user_id).first()
        if person is None or not families.is_still_in(person, begun_with):
            return False
        self.person, self.begun_with = person, begun_with
        return True

    def goes_on(self, user_id: Any, begun_with: str, client: Client, granted: list[str]) -> bool:
        """Give tokens for that person, as long as they let the client have all that is `granted`."""
        return self.is_still_in(user_id, begun_with) and families.is_granted(user_id, client, granted)

    def validate_user_match(
        self, id_token_hint: str | None, wanted: Any, claims: Any, request: Request
    ) -> bool:
        """True unless there is a hint, and it is no id token of this tenant about the person who is signed in.

        The parameter `claims` is not taken here, and counts for nothing.
        """
        matches: bool = super().validate_user_match(id_token_hint, wanted, None, request)
        return matches

    def validate_silent_login(self, request: Request) -> bool:
        """True when the person is signed in."""
        return self.person is not None

    def validate_silent_authorization(self, request: Request) -> bool:
        """True when they let this client do all of it before, and the client is nobody else's to be."""
        return self.person is not None and families.is_remembered(
            self.person.pk, request.client, request.scopes, request.redirect_uri
        )

    # Tokens.

    def save_bearer_token(self, token: dict[str, Any], request: Request, *_args: Any, **_kwargs: Any) -> None:
        """Keep the hashes of what is given: the access token, and a refresh token where the client has that grant."""
        refresh = token.pop("refresh_token", None)
        if Client.GrantType.REFRESH_TOKEN not in request.client.get_grant_types():
            refresh = None
        granted = request.scopes if self.spent is None else self.spent.get_scopes()
        ends = clock.now() + timedelta(seconds=int(token["expires_in"]))
        rows = [self._row(request, Token.Type.ACCESS_TOKEN, token["access_token"], request.scopes, ends)]
        if refresh is not None:
            token["refresh_token"] = refresh
            last = clock.now() + timedelta(seconds=int(app_settings.REFRESH_TOKEN_EXPIRES_IN or 0))
            rows.append(self._row(request, Token.Type.REFRESH_TOKEN, refresh, granted, last))
            token["refresh_expires_in"] = app_settings.REFRESH_TOKEN_EXPIRES_IN
        Token.objects.bulk_create(rows)
        if self.spent is None:
            families.issued(request.client, self.person, rows[0])
        else:
            self.spent.delete()

    def _row(self, request: Request, kind: Any, text: str, granted: list[str], ends: datetime) -> Token:
        row = Token(
            type=kind,
            client_id=request.client.pk,
            user=self.person,
            hash=texts.hash_of(text),
            created_at=clock.now(),
            expires_at=ends,
            data={
                "resources": audiences.of_scopes(granted),
                "family": str(self.family),
                "begun_with": self.begun_with,
            },
        )
        row.set_scopes(granted)
        return row

    def validate_refresh_token(
        self, refresh_token: str, client: Client, request: Request, *_args: Any, **_kwargs: Any
    ) -> bool:
        """True for the newest refresh token of its family; an older one ends the family.

        It is used up when its successor is written: what is refused because it asked for too much may be asked again.
        """
        try:
            parsed = texts.parse(refresh_token)
        except texts.TokenTextError:
            return False
        if parsed.kind != texts.REFRESH or parsed.part is None:
            return False
        row = Token.objects.filter(client_id=client.pk, type=parsed.kind, hash=parsed.hash).first()
        if row is not None and not self._may_refresh(row, client):
            return False
        # Only now, because whoever takes the consent back locks that first, too.
        if row is None or Token.objects.select_for_update().filter(pk=row.pk).first() is None:
            families.end_reused(client, parsed.part)
            return False
        self.family, self.spent, request.user = parsed.part, row, self.person
        return True

    def _may_refresh(self, row: Token, client: Client) -> bool:
        """True while what the token was granted goes on, and the client may ask for all of it."""
        granted, begun_with = row.get_scopes(), row.data["begun_with"]
        if row.expires_at <= clock.now() or not scopes.covered_by(granted, client.get_scopes()):
            return False
        return self.goes_on(row.user_id, begun_with, client, granted)

    def get_original_scopes(
        self, refresh_token: str, request: Request, *_args: Any, **_kwargs: Any
    ) -> list[str]:
        """What the person granted."""
        return self.spent.get_scopes() if self.spent is not None else []

    def is_within_original_scope(
        self, request_scopes: list[str], refresh_token: str, request: Request, *_args: Any, **_kwargs: Any
    ) -> bool:
        """True for what lies within the grant: a refresh narrows and never widens."""
        granted = self.get_original_scopes(refresh_token, request)
        return bool(request_scopes) and scopes.covered_by(request_scopes, granted)

    def rotate_refresh_token(self, request: Request) -> bool:
        """Always."""
        return True

    def revoke_token(
        self, token: str, token_type_hint: Any, request: Request, *_args: Any, **_kwargs: Any
    ) -> None:
        """End a token of the client that asks; with a refresh token goes all that was given with it."""
        families.revoked_by_client(request.client, token)

    def introspect_token(
        self, token: str, token_type_hint: Any, request: Request, *_args: Any, **_kwargs: Any
    ) -> dict[str, Any] | None:
        """What a token of the client that asks is good for; None when it opens nothing."""
        row = families.alive(token, client_id=request.client.pk)
        if row is None:
            return None
        is_refresh = row.type == Token.Type.REFRESH_TOKEN
        claims: dict[str, Any] = {
            "iss": get_adapter().get_issuer(),
            "client_id": row.client_id,
            "token_type": "refresh_token" if is_refresh else "Bearer",
            "scope": " ".join(row.get_scopes()),
            "aud": row.get_resources(),
            "iat": int(row.created_at.timestamp()),
            "exp": int(row.expires_at.timestamp()),
        }
        machine = clients.machine_of(clients.facts_of(request.client))
        subject = row.user or machine
        return claims | ({"sub": subject.public_id} if subject is not None else {})

    def validate_bearer_token(self, token: str, wanted: Any, request: Request) -> bool:
        """True for an access token by which a person is known, at the userinfo endpoint."""
        if not token or "access_token" in context.request.GET:
            return False
        row = families.alive(token, only=Token.Type.ACCESS_TOKEN)
        if row is None or row.user is None or self._lookup_client(request, row.client_id) is None:
            return False
        self.person, request.user, request.scopes = row.user, row.user, row.get_scopes()
        self._use_client(request, row.client)
        get_validator_context().access_token = row
        return True

    def validate_jwt_bearer_token(self, *_args: Any, **_kwargs: Any) -> bool:
        """Never: an id token tells who somebody is, and opens nothing."""
        return False
