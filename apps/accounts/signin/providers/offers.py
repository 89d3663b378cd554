"""The tenant's providers as allauth knows them: made from rows, for one request."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode, urlsplit

from allauth.account.adapter import get_adapter as get_account_adapter
from allauth.core.exceptions import ImmediateHttpResponse
from allauth.core.internal import ratelimit
from allauth.socialaccount.adapter import get_adapter
from allauth.socialaccount.models import SocialLogin
from allauth.socialaccount.providers.base.constants import AuthProcess
from allauth.socialaccount.providers.github.provider import GitHubProvider
from allauth.socialaccount.providers.oauth2.provider import OAuth2Provider
from allauth.socialaccount.providers.openid_connect.provider import OpenIDConnectProvider
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.http.request import split_domain_port
from django.urls import reverse

from apps.accounts.signin import links
from apps.accounts.signin.providers.dialogue import GitHubDialogue, OpenIDDialogue
from apps.accounts.signin.providers.failures import ProviderFailed
from apps.accounts.signin.providers.models import ProviderKind, SignInProvider

#: Each beginning makes this server call another one; so nobody makes it call without end.
_BEGINNINGS = {"begin": "30/m/ip"}
#: What is kept of what a provider tells: enough to show people which account it is.
_KEPT = ("email", "login", "name", "preferred_username")


class App:
    """A row in the form in which allauth knows a client. `secret` is '': see Dialogue for when it is opened."""

    pk = None
    secret = key = ""

    def __init__(self, row: SignInProvider) -> None:
        self.row = row
        self.provider, self.provider_id = row.kind, row.slug
        self.name, self.client_id = row.name, row.client_id
        self.settings = {
            "server_url": row.issuer.removesuffix("/"),
            "scope": row.wanted_scopes,
            "oauth_pkce_enabled": True,
        }


class Offer(OAuth2Provider):  # type: ignore[misc]
    """What this platform decides about every provider: its addresses, its scopes, who may begin, and how often."""

    app: App

    def __init__(self, request: HttpRequest, app: App) -> None:
        super().__init__(request, app=app)
        self.name = app.name

    def get_login_url(self, request: HttpRequest, **kwargs: Any) -> str:  # noqa: ARG002 - allauth's signature
        """Our page where one is sent there."""
        query = f"?{urlencode(kwargs)}" if kwargs else ""
        return reverse("sign_in_provider_begin", args=[self.app.provider_id]) + query

    def get_callback_url(self) -> str:
        """Our page where one comes back to."""
        return self.app.row.callback_path

    def get_oauth2_adapter(self, request: HttpRequest) -> Any:
        """The dialogue with it."""
        return self.oauth2_adapter_class(request, self)

    def get_redirect_from_request_kwargs(self, request: HttpRequest) -> dict[str, Any]:
        """What is asked of the provider: never more than the tenant set, whatever the address says."""
        found = super().get_redirect_from_request_kwargs(request)
        connects = found["process"] == AuthProcess.CONNECT
        process = AuthProcess.CONNECT if connects else AuthProcess.LOGIN
        own = {"process": process, "scope": self.get_scope(), "auth_params": self.get_auth_params()}
        return {**found, **own}

    def redirect(
        self, request: HttpRequest, process: str, next_url: str | None = None, data: Any = None, **kwargs: Any
    ) -> HttpResponse:
        """Send somebody there; from the tenant's own host, where they come back to and their session has to be."""
        self.require_offered()
        own = links.own_root()
        if urlsplit(own).hostname != split_domain_port(request.get_host())[0]:
            back = {"next": next_url} if next_url else {}
            return HttpResponseRedirect(own + self.get_login_url(request, process=process, **back))
        if not _may_begin(request):
            raise ImmediateHttpResponse(ratelimit.respond_429(request))
        response: HttpResponse = super().redirect(request, process, next_url=next_url, data=data, **kwargs)
        return response

    def is_offered(self) -> bool:
        """True while people can sign in with it."""
        return SignInProvider.objects.offered().filter(pk=self.app.row.pk).exists()

    def require_offered(self) -> None:
        """Raise PermissionDenied unless people can sign in with it now."""
        if not self.is_offered():
            raise PermissionDenied

    def extract_extra_data(self, data: dict[str, Any]) -> dict[str, Any]:
        """What is kept of what it told."""
        return {name: data[name] for name in _KEPT if isinstance(data.get(name), str)}

    def serialize(self) -> dict[str, Any]:
        """Name the provider by its slug: two of one kind may have clients of the same name."""
        return {"id": self.app.provider_id, "app.client_id": self.app.client_id}


class GitHubOffer(Offer, GitHubProvider):  # type: ignore[misc]
    """GitHub."""

    oauth2_adapter_class = GitHubDialogue


class OpenIDOffer(Offer, OpenIDConnectProvider):  # type: ignore[misc]
    """An OpenID provider; Google is one."""

    oauth2_adapter_class = OpenIDDialogue

    def extract_uid(self, data: dict[str, Any]) -> str:
        """The name by which the provider knows the person, and which it gives to nobody else."""
        return str(data["sub"])

    def extract_email_addresses(self, data: dict[str, Any]) -> list[Any]:
        """The address, which counts as theirs only where the provider says so outright."""
        verified = data.get("email_verified") in (True, "true")
        found = super().extract_email_addresses(data)
        for address in found:
            address.verified = verified
        return list(found)

    def verify_token(self, request: HttpRequest, token: dict[str, Any]) -> SocialLogin:
        """Who the id token is about that a program shows. Raises ValidationError."""
        if not self.is_offered():
            raise get_account_adapter().validation_error("method_off")
        if not _may_begin(request):
            raise get_account_adapter().validation_error("too_many_login_attempts")
        try:
            claims = self.get_oauth2_adapter(request).read_shown(self.app, str(token.get("id_token") or ""))
        except ProviderFailed as failure:
            get_adapter().on_authentication_error(request, self, exception=failure)
            raise get_adapter().validation_error("invalid_token") from None
        return self.sociallogin_from_response(request, claims)


def offer_of(request: HttpRequest, row: SignInProvider) -> Offer:
    """The allauth provider over `row`."""
    kind = GitHubOffer if row.kind == ProviderKind.GITHUB else OpenIDOffer
    return kind(request, App(row))


def _may_begin(request: HttpRequest) -> bool:
    usage = ratelimit.consume(
        request, app="apps.accounts.signin.providers", action="begin", config=_BEGINNINGS, limit_get=True
    )
    return usage is not None
