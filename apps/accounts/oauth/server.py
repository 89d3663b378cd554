"""oauthlib's server, with this platform's answers and without what OAuth 2.1 has left behind."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from allauth.idp.oidc import app_settings
from allauth.idp.oidc.models import Client
from oauthlib.common import Request
from oauthlib.oauth2.rfc6749.grant_types.authorization_code import code_challenge_method_s256
from oauthlib.openid import Server

from apps.accounts.oauth import texts
from apps.accounts.oauth.validator import Validator
from apps.tenancy.walls import current_tenant


class OAuthServer(Server):  # type: ignore[misc]
    """Codes with PKCE by S256, devices, client credentials, refreshing. No implicit, hybrid or password grant."""

    def __init__(
        self, validator: Validator, *, before_device: Callable[[Request], None] | None = None
    ) -> None:
        more = {"pre_token": [before_device]} if before_device else {}
        super().__init__(
            request_validator=validator,
            token_generator=lambda _request: texts.access_token(current_tenant().id),
            refresh_token_generator=lambda _request: texts.refresh_token(
                current_tenant().id, validator.family
            ),
            token_expires_in=app_settings.ACCESS_TOKEN_EXPIRES_IN,
            **more,
        )
        self._response_types = {"code": self.auth_grant_choice}
        self._grant_types: dict[str, Any] = {
            name: self._grant_types[name] for name in map(str, Client.GrantType)
        }
        for grant in (self.auth_grant, self.openid_connect_auth.proxy_target):
            grant._code_challenge_methods = {"S256": code_challenge_method_s256}


Parameters = tuple[str, str, str, dict[str, Any]]
