"""What a front end has to know before anybody signs in: the ways in that this tenant offers, and what it does not."""

from __future__ import annotations

import orjson
from allauth.headless.base.response import ConfigResponse
from allauth.headless.base.views import ConfigView
from allauth.headless.constants import Client
from allauth.headless.internal.restkit.response import APIResponse
from django.http import HttpRequest
from django.urls import path
from django.views.decorators.csrf import csrf_exempt

from apps.accounts.mails.rendering import mail_brand
from apps.accounts.signin.models import sign_in_settings
from apps.core.problem_handlers import page_not_found


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


#: allauth routes these also where nobody has a telephone number, and fails there.
_NOT_OFFERED = ("account/phone", "auth/phone/verify", "auth/phone/verify/resend")
#: Below /_allauth/, before allauth's own.
urlpatterns = [
    *(path(f"{client.value}/v1/config", OfferedView.as_api_view(client=client)) for client in Client),
    *(
        path(f"{client.value}/v1/{name}", csrf_exempt(page_not_found))
        for client in Client
        for name in _NOT_OFFERED
    ),
]
