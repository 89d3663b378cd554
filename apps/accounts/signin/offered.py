"""What a front end has to know before anybody signs in: the ways in that this tenant offers."""

from __future__ import annotations

import orjson
from allauth.headless.base.response import ConfigResponse
from allauth.headless.base.views import ConfigView
from allauth.headless.constants import Client
from allauth.headless.internal.restkit.response import APIResponse
from django.http import HttpRequest
from django.urls import path

from apps.accounts.mails.rendering import mail_brand
from apps.accounts.signin.models import sign_in_settings


class OfferedView(ConfigView):  # type: ignore[misc]
    """allauth's configuration, which is the installation's, with what the tenant's settings say in its place.

    `packmule` holds what allauth has no word for: `methods`, `sign_up` and the name of the `product`.
    """

    def get(self, request: HttpRequest) -> APIResponse:
        """Answer with all of it. It tells nothing that the pages of signing in do not show."""
        wanted = sign_in_settings()
        data = orjson.loads(ConfigResponse(request).content)["data"]
        data["account"]["login_by_code_enabled"] = "code" in wanted.methods
        data["mfa"]["passkey_login_enabled"] = "passkey" in wanted.methods
        data["packmule"] = {"methods": wanted.methods, "sign_up": wanted.open_to, "product": mail_brand()}
        return APIResponse(request, data=data)


#: Below /_allauth/, before allauth's own.
urlpatterns = [path(f"{client.value}/v1/config", OfferedView.as_api_view(client=client)) for client in Client]
