"""The two pages of signing in with an account elsewhere: where one leaves, and where one comes back."""

from __future__ import annotations

from allauth.core.exceptions import ImmediateHttpResponse
from allauth.socialaccount.adapter import get_adapter
from allauth.socialaccount.models import SocialApp
from allauth.socialaccount.providers.base.utils import respond_to_login_on_get
from allauth.socialaccount.providers.oauth2.views import OAuth2CallbackView
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.views.decorators.http import require_GET, require_http_methods

from apps.accounts.signin.providers.offers import Offer


@require_http_methods(["GET", "POST"])
def begin(request: HttpRequest, slug: str) -> HttpResponse:
    """Ask whether to go there, and on a POST go: another website cannot send anybody off in passing."""
    provider = _offered(request, slug)
    try:
        asked: HttpResponse | None = respond_to_login_on_get(request, provider)
        sent: HttpResponse = asked or provider.redirect_from_request(request)
    except ImmediateHttpResponse as answer:
        sent = answer.response
    return sent


@require_GET
def callback(request: HttpRequest, slug: str) -> HttpResponse:
    """Take what the provider sends back: once, and in the session that went there."""
    dialogue = _offered(request, slug).get_oauth2_adapter(request)
    answer: HttpResponse = OAuth2CallbackView.adapter_view(dialogue)(request)
    return answer


def _offered(request: HttpRequest, slug: str) -> Offer:
    try:
        provider: Offer = get_adapter().get_provider(request, slug)
        provider.require_offered()
    except (SocialApp.DoesNotExist, PermissionDenied):
        raise Http404("There is no such way to sign in here.") from None
    return provider
