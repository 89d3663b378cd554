"""The page of a person's sessions, by the same operations as the API's."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.contrib.auth.views import redirect_to_login
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods

from apps.accounts.signin import sessions
from apps.accounts.signin.errors import SessionUnknown
from apps.core.actor import Actor
from apps.core.ids import decode


@require_http_methods(["GET", "POST"])
def devices(request: HttpRequest) -> HttpResponse:
    """Show people where they are signed in; a POST ends the `session` that it names, or without one all others."""
    actor: Actor | None = getattr(request, "actor", None)
    if actor is None:
        return redirect_to_login(request.get_full_path())
    if request.method == "POST":
        messages.success(request, _end(actor, request.POST.get("session", "")))
        return redirect("usersessions_list")
    shown: list[dict[str, Any]] = sessions.list_sessions(actor)["data"]
    return render(request, "usersessions/usersession_list.html", {"sessions": shown})


def _end(actor: Actor, shown_id: str) -> str:
    """End what was asked for, and say so. A session that has ended meanwhile is as good as ended now."""
    if not shown_id:
        sessions.revoke_other_sessions(actor)
        return "All others are signed out."
    try:
        sessions.revoke_session(actor, session_id=decode(shown_id, "ses"))
    except (ValueError, SessionUnknown):
        return "It was signed out already."
    return "It is signed out."
