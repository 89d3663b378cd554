"""What clients call: tokens, devices, revoking, introspection and userinfo, below /identity/o/api/."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

from allauth.idp.oidc.internal.oauthlib.utils import convert_response, extract_params
from allauth.idp.oidc.models import Client
from django.db import transaction
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.urls import reverse
from django.utils.http import urlencode
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods, require_POST
from oauthlib.common import Request
from oauthlib.oauth2.rfc6749 import errors
from oauthlib.oauth2.rfc8628.errors import (
    AccessDenied,
    AuthorizationPendingError,
    ExpiredTokenError,
    SlowDownError,
)

from apps.accounts.oauth import audiences, devices
from apps.accounts.oauth.resources import read_resources
from apps.accounts.oauth.server import OAuthServer
from apps.accounts.oauth.validator import Validator
from apps.core.addresses import client_address
from apps.core.problems import RateLimited
from apps.tenancy import ratelimit
from apps.tenancy.walls import outside

View = Callable[[HttpRequest], HttpResponse]
#: Answers by which somebody could try out secrets, codes and tokens.
_FAILURES = frozenset({400, 401})
#: Device flows that one address may begin: anybody may, and the more wait, the sooner a guessed code is one of them.
_BEGINNINGS = ratelimit.read_limit("devices", "30/60")


def protocol(view: View) -> View:
    """Answer as the protocol does: errors as JSON, nothing kept by caches, and failures counted by address."""

    @wraps(view)
    @csrf_exempt
    def guarded(request: HttpRequest) -> HttpResponse:
        with transaction.atomic():
            response = _served(view, request)
        if response.status_code in _FAILURES and not getattr(response, "is_patient", False):
            response = _counted(request, response)
        response.headers.setdefault("Cache-Control", "no-store")
        return response

    return guarded


@protocol
@require_POST
def token(request: HttpRequest) -> HttpResponse:
    """The token endpoint."""
    read_resources(request.POST)
    _require_single(request)
    validator = Validator()
    if request.POST.get("grant_type") == Client.GrantType.DEVICE_CODE:
        return _device_token(request, validator)
    return _answered(request, OAuthServer(validator))


@protocol
@require_POST
def device_code(request: HttpRequest) -> HttpResponse:
    """The device authorization endpoint: a code for the device, and one for its person to type."""
    read_resources(request.POST)
    _require_single(request)
    _take(_BEGINNINGS, request)
    validator, asked = Validator(), _asked(request)
    _authenticate(validator, asked)
    if not validator.validate_grant_type(None, Client.GrantType.DEVICE_CODE, asked.client, asked):
        raise errors.UnauthorizedClientError
    wanted = list(dict.fromkeys(request.POST.get("scope", "").split())) or asked.client.get_default_scopes()
    if not validator.validate_scopes(None, wanted, asked.client, asked):
        raise errors.InvalidScopeError
    agent = str(request.META.get("HTTP_USER_AGENT") or "").replace("\0", "")
    code, user_code = devices.ask(
        asked.client.pk, wanted, address=client_address(request.META) or "", agent=agent
    )
    page, shown = audiences.issuer(request) + reverse("oauth_device"), devices.shown(user_code)
    return JsonResponse(
        {
            "device_code": code,
            "user_code": shown,
            "verification_uri": page,
            "verification_uri_complete": f"{page}?{urlencode({'user_code': shown})}",
            "expires_in": devices.LIFETIME,
            "interval": devices.INTERVAL,
        }
    )


@protocol
@require_POST
def revoke(request: HttpRequest) -> HttpResponse:
    """The revocation endpoint (RFC 7009): a client ends a token of its own."""
    return _as_http(OAuthServer(Validator()).create_revocation_response(*extract_params(request)))


@protocol
@require_POST
def introspect(request: HttpRequest) -> HttpResponse:
    """The introspection endpoint (RFC 7662): a confidential client asks about a token of its own."""
    validator = Validator()
    # oauthlib would take the mere name of a public client, whoever it is that says it.
    if not validator.authenticate_client(_asked(request)):
        raise errors.InvalidClientError
    return _as_http(OAuthServer(validator).create_introspect_response(*extract_params(request)))


@protocol
@require_http_methods(["GET", "POST"])
def userinfo(request: HttpRequest) -> HttpResponse:
    """The userinfo endpoint: who the person is, by an access token with the scope openid."""
    return _as_http(OAuthServer(Validator()).create_userinfo_response(*extract_params(request)))


def _served(view: View, request: HttpRequest) -> HttpResponse:
    """The answer, a refusal included: what it has changed (a used code, an ended family) stays changed."""
    try:
        response = view(request)
    except errors.OAuth2Error as refusal:
        response = JsonResponse(dict(refusal.twotuples), status=refusal.status_code, headers=refusal.headers)
    except RateLimited as refusal:
        response = _too_many(refusal)
    if "invalid_client" in response.headers.get("WWW-Authenticate", ""):
        # oauthlib names the scheme of access tokens, and clients show themselves by another one.
        response.headers["WWW-Authenticate"] = 'Basic realm="packmule"'
    return response


def _answered(request: HttpRequest, server: OAuthServer) -> HttpResponse:
    return _as_http(server.create_token_response(*extract_params(request)))


def _as_http(answer: tuple[Any, ...]) -> HttpResponse:
    response: HttpResponse = convert_response(*answer)
    return response


def _device_token(request: HttpRequest, validator: Validator) -> HttpResponse:
    asked = _asked(request)
    _authenticate(validator, asked)
    code = request.POST.get("device_code", "")
    came = devices.poll(asked.client.pk, code)
    if isinstance(came, str):
        return _patience(came, code)
    _, decision = came
    if not decision.scopes:
        raise AccessDenied
    if not validator.goes_on(decision.user_id, decision.begun_with, asked.client, decision.scopes):
        raise errors.InvalidGrantError

    def before(orequest: Request) -> None:
        orequest.scope, orequest.user = " ".join(decision.scopes), validator.person

    return _answered(request, OAuthServer(validator, before_device=before))


def _patience(came: devices.Pending, code: str) -> HttpResponse:
    """What a device is told that has to wait, or has waited too long."""
    if came == "gone":
        raise errors.InvalidGrantError("The device code is unknown or used.")
    if came == "expired":
        raise ExpiredTokenError
    refusal = SlowDownError() if came == "slow_down" else AuthorizationPendingError()
    response = JsonResponse(dict(refusal.twotuples) | {"interval": devices.interval_of(code)}, status=400)
    response.is_patient = True  # type: ignore[attr-defined] # no failure: it was asked to come again
    return response


def _asked(request: HttpRequest) -> Request:
    """The request as oauthlib reads one."""
    return Request(request.path, "POST", dict(request.POST.items()), extract_params(request)[3])


def _authenticate(validator: Validator, asked: Request) -> None:
    """Find out which client it is. Raises InvalidClientError."""
    needed = validator.client_authentication_required(asked)
    known = (
        validator.authenticate_client(asked)
        if needed
        else validator.authenticate_client_id(asked.client_id, asked)
    )
    if not known:
        raise errors.InvalidClientError


def _require_single(request: HttpRequest) -> None:
    """Refuse parameters that came twice: which one counts would be anybody's guess."""
    if any(len(values) > 1 for name, values in request.POST.lists() if name != "resource"):
        raise errors.InvalidRequestError("A parameter came twice.")


def _counted(request: HttpRequest, response: HttpResponse) -> HttpResponse:
    """The response, or 429 for who has failed too often."""
    try:
        _take(ratelimit.for_failures(), request)
    except RateLimited as refusal:
        return _too_many(refusal)
    return response


def _take(limit: ratelimit.Limit, request: HttpRequest) -> None:
    """Count a call of the address that makes it. Raises RateLimited."""
    with outside():
        ratelimit.take(limit, client_address(request.META) or "unknown")


def _too_many(refusal: RateLimited) -> HttpResponse:
    body = {"error": "temporarily_unavailable", "error_description": refusal.detail}
    return JsonResponse(body, status=429, headers=refusal.headers)
