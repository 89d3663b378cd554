"""The pages on which people let clients in: consent after a redirect, and the approval of a device.

Only the person themselves consents, in a session of their own. Everything is asked again when the form comes back; what
the page showed is not relied on.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import wraps
from typing import Any
from urllib.parse import urlsplit

from allauth.core.internal import ratelimit
from allauth.core.internal.httpkit import add_query_params
from allauth.idp.oidc.internal.oauthlib.utils import get_uri
from allauth.idp.oidc.models import Client
from django.contrib.auth.views import redirect_to_login
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods
from oauthlib.common import Request
from oauthlib.oauth2.rfc6749.errors import (
    FatalClientError,
    InvalidClientIdError,
    InvalidRequestError,
    InvalidRequestFatalError,
    MismatchingRedirectURIError,
    MissingClientIdError,
    MissingRedirectURIError,
    OAuth2Error,
)

from apps.accounts.oauth import audiences, clients, devices, families, grants, scopes
from apps.accounts.oauth.forms import ScopesForm, UserCodeForm
from apps.accounts.oauth.resources import read_resources
from apps.accounts.oauth.server import OAuthServer
from apps.accounts.oauth.validator import Validator
from apps.core.operations import Operation, Refused
from apps.core.problems import show
from apps.core.scope_texts import scope_texts

#: Wrong codes that somebody may type: by address, and by person.
_TRIES = {"device_user_code": "10/10m/ip,30/d/user"}
_NOBODY = "Only you yourself can let a program in: sign in to this site with your own account."
_NOTHING = (
    "It asks for nothing that you can give: your role does not include it, or it is another organization's."
)
_FATAL = {
    InvalidClientIdError: "No program may ask here under the client_id {client_id}.",
    MismatchingRedirectURIError: "The program has not registered {redirect_uri} as an address to send you back to.",
    MissingRedirectURIError: "The program does not say where to send you back to: redirect_uri is missing.",
    MissingClientIdError: "The program does not say who it is: client_id is missing.",
}
_PROMPTS = ("", "none", "consent")
_CHALLENGE = re.compile(r"[A-Za-z0-9_-]{43}")
View = Callable[..., HttpResponse]


def in_person(view: View) -> View:
    """Send who is not signed in to sign in, and refuse whoever is signed in as somebody else's agent or by hand-off."""

    @wraps(view)
    def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if not request.user.is_authenticated:
            return redirect_to_login(request.get_full_path())
        if not grants.may_consent(getattr(request, "actor", None)):
            return _error(request, _NOBODY, status=403)
        return view(request, *args, **kwargs)

    return guarded


@never_cache
@require_http_methods(["GET", "POST"])
def authorize(request: HttpRequest) -> HttpResponse:
    """The authorization endpoint: check what the client asks, ask the person, send them back with a code."""
    silent = request.GET.get("prompt") == "none"
    guard = _ask if silent else in_person(_ask)
    return guard(request, silent=silent)


def _ask(request: HttpRequest, *, silent: bool) -> HttpResponse:
    validator = Validator()
    person: Any = request.user
    if grants.may_consent(getattr(request, "actor", None)):
        validator.is_still_in(person.pk, person.get_session_auth_hash())
    try:
        _require_readable(request)
        wanted, info = OAuthServer(validator).validate_authorization_request(get_uri(request), "GET")
        read_resources(request.GET)
        _require_plain(request)
    except OAuth2Error as refusal:
        return _refused(request, validator, refusal)
    client, redirect_uri, wanted = info["request"].client, info["redirect_uri"], list(dict.fromkeys(wanted))
    if silent:
        return _silently(request, validator, client, wanted, redirect_uri)
    return _ask_person(request, validator, client, wanted, redirect_uri)


def _silently(
    request: HttpRequest, validator: Validator, client: Client, wanted: list[str], redirect_uri: str
) -> HttpResponse:
    """Answer without showing a page: with a code where the person gave all of it before, with the reason otherwise."""
    if validator.person is None:
        return _sent_back(request, redirect_uri, error="login_required")
    person_id = validator.person.pk
    covered = grants.offered(person_id, client, wanted) == wanted
    if not covered or not families.is_remembered(person_id, client, wanted, redirect_uri):
        return _sent_back(request, redirect_uri, error="consent_required")
    return _granted(request, validator, wanted)


def _ask_person(
    request: HttpRequest, validator: Validator, client: Client, wanted: list[str], redirect_uri: str
) -> HttpResponse:
    person: Any = request.user
    offered = grants.offered(person.pk, client, wanted)
    if request.method == "POST" and request.POST.get("action") != "grant":
        grants.REFUSE(_actor(request), client=client, wanted=wanted)
        return _sent_back(request, redirect_uri, error="access_denied")
    if not offered:
        return _error(request, _NOTHING, status=403)
    asks_again = request.GET.get("prompt") == "consent"
    remembered = families.is_remembered(person.pk, client, wanted, redirect_uri)
    if request.method == "GET" and remembered and not asks_again:
        return _granted(request, validator, offered)
    form = ScopesForm(request.POST or None, offered=offered)
    if form.is_valid():
        return _given(request, validator, client, form.cleaned_data["scopes"], offered)
    context = {"client": client, "form": form, "host": urlsplit(redirect_uri).netloc}
    return render(request, "oauth/consent.html", context | _shown(request, offered))


def _given(
    request: HttpRequest, validator: Validator, client: Client, chosen: list[str], offered: list[str]
) -> HttpResponse:
    try:
        grants.GIVE(
            _actor(request),
            client=client,
            wanted=chosen,
            offered=offered,
            redirect_uri=validator.redirect_uri,
        )
    except Refused as refusal:
        return _error(request, refusal.detail, status=403)
    return _granted(request, validator, chosen)


def _granted(request: HttpRequest, validator: Validator, chosen: Sequence[str]) -> HttpResponse:
    """Send the person back with a code for the scopes that were `chosen`."""
    try:
        headers, _, _ = OAuthServer(validator).create_authorization_response(
            get_uri(request), "GET", scopes=list(chosen)
        )
    except OAuth2Error as refusal:
        return _refused(request, validator, refusal)
    return _redirect(add_query_params(headers["Location"], {"iss": audiences.issuer(request)}))


@never_cache
@in_person
@require_http_methods(["GET", "POST"])
def device(request: HttpRequest) -> HttpResponse:
    """Where people type the code that a device shows, and allow or deny what it asks for."""
    form = UserCodeForm(request.GET if "user_code" in request.GET else None)
    asked = _found(request, form) if form.is_valid() else None
    client = clients.find_live(asked.client_id) if asked is not None else None
    if asked is not None and client is not None:
        return _approve(request, asked, client)
    if asked is not None:
        form.add_error("user_code", "The program that shows this code may not ask for anything any more.")
    return render(request, "oauth/device_code.html", {"form": form}, status=400 if form.errors else 200)


def _found(request: HttpRequest, form: UserCodeForm) -> devices.Asked | None:
    """The request that the code names. Each try counts until it was right, in whichever worker it arrives."""
    usage = ratelimit.consume(
        request, app="apps.accounts.oauth", action="device_user_code", config=_TRIES, limit_get=True
    )
    if usage is None:
        form.add_error(None, "Too many wrong codes. Wait a while, and start again on the device.")
        return None
    asked = devices.find(form.cleaned_data["user_code"])
    if asked is None:
        form.add_error(
            "user_code", "There is no such code, or its ten minutes are over. Start again on the device."
        )
        return None
    usage.rollback()
    return asked


def _approve(request: HttpRequest, asked: devices.Asked, client: Client) -> HttpResponse:
    person: Any = request.user
    offered = grants.offered(person.pk, client, asked.scopes)
    denies = request.method == "POST" and request.POST.get("action") != "confirm"
    form = ScopesForm(request.POST or None, offered=offered)
    if denies or form.is_valid():
        return _decided(request, asked, client, [] if denies else form.cleaned_data["scopes"], offered)
    if not offered:
        return _error(request, _NOTHING, status=403)
    context = {
        "client": client,
        "user_code": devices.shown(asked.user_code),
        "asked": asked,
        "form": form,
    }
    return render(request, "oauth/device_approve.html", context | _shown(request, offered))


def _decided(
    request: HttpRequest, asked: devices.Asked, client: Client, chosen: list[str], offered: list[str]
) -> HttpResponse:
    person: Any = request.user
    verb: Operation[..., Any] = grants.GIVE if chosen else grants.REFUSE
    said = {"wanted": chosen, "offered": offered} if chosen else {"wanted": asked.scopes}
    decision = devices.Decision(str(person.pk), person.get_session_auth_hash(), chosen)
    try:
        with transaction.atomic():
            verb(_actor(request), client=client, **said)
            if not devices.decide(asked, decision):
                transaction.set_rollback(True)
                return _error(
                    request, "Somebody has decided about this already, or its ten minutes are over."
                )
    except Refused as refusal:
        return _error(request, refusal.detail, status=403)
    return render(request, "oauth/done.html", {"allowed": bool(chosen), "client": client})


def _require_readable(request: HttpRequest) -> None:
    """Raise a fatal error for a query that oauthlib takes for none."""
    try:
        Request(get_uri(request))
    except ValueError:
        raise InvalidRequestFatalError("The address holds characters that no query has.") from None


def _require_plain(request: HttpRequest) -> None:
    """Refuse parameters that came twice, a challenge that is none of S256, and what this server does not do."""
    challenge = request.GET.get("code_challenge", "")
    if any(len(values) > 1 for name, values in request.GET.lists() if name != "resource"):
        raise InvalidRequestError("A parameter came twice.")
    if not _CHALLENGE.fullmatch(challenge):
        raise InvalidRequestError("code_challenge has to be the S256 of the verifier.")
    if request.GET.get("response_mode", "query") != "query" or request.GET.keys() & {
        "request",
        "request_uri",
    }:
        raise InvalidRequestError("Answers go into the query, and requests come as parameters.")
    if request.GET.get("prompt", "") not in _PROMPTS or "max_age" in request.GET:
        raise InvalidRequestError("prompt is none or consent here, and nobody is made to sign in anew.")


def _refused(request: HttpRequest, validator: Validator, refusal: OAuth2Error) -> HttpResponse:
    """Send the client its error, where the redirect URI was found to be its own; tell the person otherwise."""
    if isinstance(refusal, FatalClientError) or not validator.redirect_uri:
        return _error(request, _said(request, refusal))
    description = {"error_description": refusal.description} if refusal.description else {}
    return _sent_back(
        request, validator.redirect_uri, error=refusal.error or "invalid_request", **description
    )


def _said(request: HttpRequest, refusal: OAuth2Error) -> str:
    """What a person is told who cannot be sent back."""
    known = next((text for kind, text in _FATAL.items() if isinstance(refusal, kind)), None)
    if known is None:
        return str(refusal.description or refusal.error)
    return known.format(
        client_id=show(request.GET.get("client_id", "")),
        redirect_uri=show(request.GET.get("redirect_uri", "")),
    )


def _sent_back(request: HttpRequest, redirect_uri: str, **answer: str) -> HttpResponse:
    state = {"state": request.GET["state"]} if request.GET.get("state") else {}
    return _redirect(add_query_params(redirect_uri, answer | state | {"iss": audiences.issuer(request)}))


def _redirect(to: str) -> HttpResponse:
    return HttpResponse(status=302, headers={"Location": to, "Referrer-Policy": "no-referrer"})


def _actor(request: HttpRequest) -> Any:
    return request.actor  # type: ignore[attr-defined]


def _shown(request: HttpRequest, offered: Sequence[str]) -> dict[str, Any]:
    return {"scopes": scope_texts(offered), "user": request.user, "everything": scopes.EVERYTHING in offered}


def _error(request: HttpRequest, why: str, *, status: int = 400) -> HttpResponse:
    return render(request, "oauth/error.html", {"why": why}, status=status)
