"""Calling providers: allauth's dialogue of OAuth 2, where secrets are opened when they are sent and not before.

What allauth would not look at is looked at here: that a provider's document is its own, that an id token is signed, and
that both of its answers speak of the same person.
"""

from __future__ import annotations

from typing import Any

from allauth.socialaccount.internal import jwtkit
from allauth.socialaccount.models import SocialLogin, SocialToken
from allauth.socialaccount.providers.github.views import GitHubOAuth2Adapter
from allauth.socialaccount.providers.oauth2.views import OAuth2Adapter
from django.http import HttpRequest

from apps.accounts.signin import links
from apps.accounts.signin.providers.checking import problem_of
from apps.accounts.signin.providers.failures import NOT_OURS, UNREADABLE, ProviderFailed, hearing
from apps.accounts.signin.providers.idtokens import read_id_token
from apps.core import outbound

#: What one call to a provider may take, while somebody waits.
SECONDS = 5.0
_DISCOVERY = "/.well-known/openid-configuration"
_ENDPOINTS = ("authorization_endpoint", "token_endpoint", "jwks_uri")


class Dialogue(OAuth2Adapter):  # type: ignore[misc]
    """What is the same with every provider. `provider` is an allauth provider over one of the tenant's rows."""

    def __init__(self, request: HttpRequest, provider: Any) -> None:
        super().__init__(request)
        self.provider, self.provider_id = provider, provider.app.provider_id

    def get_provider(self) -> Any:
        """The provider, which is not looked up again."""
        return self.provider

    def get_callback_url(self, request: HttpRequest, app: Any) -> str:  # noqa: ARG002 - allauth's signature
        """Where people come back to: always on the tenant's own host, whatever the request says of its own."""
        return links.own_root() + str(app.row.callback_path)

    def get_client(self, request: HttpRequest, app: Any) -> Any:
        """The client as which people are sent there: for that, neither its secret nor a call is needed."""
        return self.client_class(
            request,
            app.client_id,
            "",
            self.access_token_method,
            "",
            self.get_callback_url(request, app),
            headers=self.headers,
        )

    def get_access_token_data(
        self, request: HttpRequest, app: Any, client: Any, pkce_code_verifier: str | None = None
    ) -> dict[str, Any]:
        """Exchange the code that came back. Raises ProviderFailed."""
        with hearing():
            client.access_token_url, client.basic_auth = self.access_token_url, self.basic_auth
            client.consumer_secret = app.row.open_secret()
            given: dict[str, Any] = super().get_access_token_data(request, app, client, pkce_code_verifier)
        return given

    def parse_token(self, data: dict[str, Any]) -> SocialToken:
        """The access token, for the one question that follows; it is not stored."""
        return SocialToken(token=str(data["access_token"]))


class GitHubDialogue(Dialogue, GitHubOAuth2Adapter):  # type: ignore[misc]
    """GitHub, which knows OAuth 2 and no OpenID: who somebody is says its API."""

    headers = {"Accept": "application/json"}  # noqa: RUF012 - allauth's attribute

    def complete_login(
        self, request: HttpRequest, app: Any, token: SocialToken, **kwargs: Any
    ) -> SocialLogin:
        """Ask who it is. Raises ProviderFailed."""
        with hearing():
            return super().complete_login(request, app, token, **kwargs)


class OpenIDDialogue(Dialogue):
    """An OpenID provider, found by its issuer (OpenID Connect Discovery 1.0)."""

    _document: dict[str, Any] | None = None

    @property
    def document(self) -> dict[str, Any]:
        """What the provider says of itself. Raises ProviderFailed when that is not its own, or leads elsewhere."""
        if self._document is None:
            with hearing():
                self._document = self._checked(_fetch(self._issuer.removesuffix("/") + _DISCOVERY))
        return self._document

    @property
    def authorize_url(self) -> str:
        """Where people are sent."""
        return str(self.document["authorization_endpoint"])

    @property
    def access_token_url(self) -> str:
        """Where codes are exchanged."""
        return str(self.document["token_endpoint"])

    @property
    def basic_auth(self) -> bool:
        """True when the client shows its secret in a header: the standard's way where the provider says nothing."""
        taken = self.document.get("token_endpoint_auth_methods_supported") or ["client_secret_basic"]
        return "client_secret_post" not in taken and bool(self.provider.app.row.client_secret)

    def get_access_token_data(
        self, request: HttpRequest, app: Any, client: Any, pkce_code_verifier: str | None = None
    ) -> dict[str, Any]:
        """Exchange the code, unless the answer says that it is another provider's (RFC 9207)."""
        came_from = request.GET.get("iss", self.document["issuer"])
        if came_from != self.document["issuer"]:
            raise ProviderFailed(UNREADABLE, "the code came back from another issuer")
        return super().get_access_token_data(request, app, client, pkce_code_verifier)

    def complete_login(
        self, request: HttpRequest, app: Any, token: SocialToken, **kwargs: Any
    ) -> SocialLogin:
        """Read who it is. Raises ProviderFailed."""
        with hearing():
            claims = self.read(app, kwargs["response"]["id_token"])
            told = self._userinfo(token.token)
            if told and told["sub"] != claims["sub"]:
                raise ProviderFailed(UNREADABLE, "its userinfo is about somebody else than its id token")
            return self.provider.sociallogin_from_response(request, {**claims, **told})

    def read(self, app: Any, id_token: str) -> dict[str, Any]:
        """What `id_token` says. Raises ProviderFailed when it is not the provider's word for this client, now."""
        with hearing():
            keys = _fetch(self.document["jwks_uri"])
            issuer = self.document["issuer"]
            return read_id_token(id_token, keys, issuer=issuer, client_id=app.client_id)

    def read_shown(self, app: Any, id_token: str) -> dict[str, Any]:
        """The same for a token that somebody shows here: it is taken once. Raises ProviderFailed."""
        claims = self.read(app, id_token)
        with hearing():
            jwtkit.verify_jti(claims)
        return claims

    @property
    def _issuer(self) -> str:
        return str(self.provider.app.row.issuer)

    def _userinfo(self, access_token: str) -> dict[str, Any]:
        address = self.document.get("userinfo_endpoint")
        return _fetch(address, Authorization=f"Bearer {access_token}") if address else {}

    def _checked(self, document: dict[str, Any]) -> dict[str, Any]:
        if str(document["issuer"]).rstrip("/") != self._issuer.rstrip("/"):
            raise ProviderFailed(UNREADABLE, "its discovery document names another issuer")
        for name in _ENDPOINTS:
            if problem_of(document[name]):
                raise ProviderFailed(NOT_OURS, f"its {name} is no address that people may be sent to")
        return document


def _fetch(url: str, **headers: str) -> dict[str, Any]:
    """The JSON object at `url`. Raises OutboundError, ValueError, and ProviderFailed for another status than 200."""
    with outbound.session(seconds=SECONDS) as session:
        answer = session.get(url, headers=headers)
    if answer.status_code != 200:
        raise ProviderFailed(UNREADABLE, f"it answered with status {answer.status_code}")
    return dict(answer.json())
