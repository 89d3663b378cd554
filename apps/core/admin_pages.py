"""The pages of named actions: what will happen, the form, the refusal, and the secret that is shown this once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from django.contrib import messages
from django.db.models import Model
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import reverse

from apps.core import admin_actions as actions
from apps.core import problems
from apps.core.admin_story import Equivalent, equivalent, list_url, story_url
from apps.core.endpoints import acting
from apps.core.problems import Problem

Context = dict[str, Any]
Crumb = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Offer:
    """An action as a page offers it; `because` says why not, where it is not allowed now."""

    action: actions.Action
    url: str
    allowed: bool
    because: str


def page(on: Any, request: HttpRequest, template: str, context: Context, status: int = 200) -> HttpResponse:
    """A page of the site `on`, rendered now. `crumbs` in the context lead back from it."""
    request.current_app = on.name
    made = TemplateResponse(request, template, {**on.each_context(request), **context}, status=status)
    return made.render()


class ActionPages:
    """The part of an admin class that offers and carries out actions. `found` reads a row by its shown id."""

    headline: ClassVar[str]
    model: type[Model]
    admin_site: Any

    def found(self, request: HttpRequest, object_id: str) -> Any:
        """The row with that shown id. Raises NotFound."""
        raise NotImplementedError

    def still_there(self, request: HttpRequest, row: Any) -> bool:
        """True while `row` can be seen by whoever looks."""
        raise NotImplementedError

    def crumbs(self) -> list[Crumb]:
        """The way back to the list."""
        return [(self.headline, list_url(self.model, self.admin_site.name))]

    def list_action_view(self, request: HttpRequest, operation: str) -> HttpResponse:
        """The page of an action above the list."""
        return self._act(request, _named(self.offered_above(), operation), None)

    def row_action_view(self, request: HttpRequest, object_id: str, operation: str) -> HttpResponse:
        """The page of an action on a row."""
        action = _named(self.offered_on(), operation)
        try:
            row = self.found(request, object_id)
        except problems.NotFound as missing:
            raise _misplaced(request) or missing from None
        return self._act(request, action, row)

    def offered_above(self) -> list[actions.Action]:
        """The actions of the list, on this site."""
        return actions.actions_above(self.model, self.admin_site.kind)

    def offered_on(self) -> list[actions.Action]:
        """The actions of a row's page, on this site."""
        return actions.actions_on(self.model, self.admin_site.kind)

    def offers(self, request: HttpRequest, row: Any, offered: list[actions.Action]) -> list[Offer]:
        actor, made = acting(request), []
        for action in offered:
            if row is None or action.applies(row):
                decision = action.decision(actor, row)
                url = action_url(self.admin_site.name, self.model, action, row)
                made.append(Offer(action, url, decision.decision != "deny", decision.because))
        return sorted(made, key=lambda offer: offer.action.is_destructive)

    def _act(self, request: HttpRequest, action: actions.Action, row: Any) -> HttpResponse:
        actor = acting(request)
        form = actions.ActionForm(action, actor, row, request.POST if request.method == "POST" else None)
        problem = _misplaced(request)
        if problem is None and form.is_valid():
            try:
                return self._done(request, action, row, actions.perform(form))
            except Problem as refused:
                problem = refused
                form.refuse(refused)
        context = self._asking(request, action, row) | {"form": form, "problem": problem}
        return page(
            self.admin_site, request, "admin/action.html", context, status=problem.status if problem else 200
        )

    def _asking(self, request: HttpRequest, action: actions.Action, row: Any) -> Context:
        actor = acting(request)
        back = [] if row is None else [(str(row), story_url(row, self.admin_site.name))]
        return {
            "title": action.label if row is None else f"{action.label}: {row}",
            "crumbs": [*self.crumbs(), *back, (action.label, "")],
            "action": action,
            "row": row,
            "decision": action.decision(actor, row),
            "back": (back or self.crumbs())[-1][1],
            "equivalent": self.example(request, action, row),
        }

    def example(self, request: HttpRequest, action: actions.Action, row: Any) -> Equivalent:
        """The same by machine, with names for what is not known yet."""
        actor = acting(request)
        form = actions.ActionForm(action, actor, row)
        return equivalent(action.operation, action.target(actor, row), form.example(), base_url(request))

    def _done(self, request: HttpRequest, action: actions.Action, row: Any, result: Any) -> HttpResponse:
        subject = action.operation.subject(result)
        if action.operation.shows_secret and result.secret is not None:
            return self._secret(request, self._asking(request, action, row), result, subject)
        told = subject if action.said is None else action.said(result)
        messages.success(request, f"{action.label}: {told}. Done, and on record.")
        return redirect(self._landing(request, action, row, subject))

    def _landing(self, request: HttpRequest, action: actions.Action, row: Any, subject: Any) -> str:
        """The page about what was made or changed, else about what was acted on, else the list."""
        # What a destructive action was done to may be out of the person's sight now.
        for thing in (subject, None if action.is_destructive else row):
            shown = self.admin_site._registry.get(type(thing))
            if shown is not None and shown.has_view_permission(request) and shown.still_there(request, thing):
                return story_url(thing, self.admin_site.name)
        return self.crumbs()[-1][1]

    def _secret(self, request: HttpRequest, asked: Context, result: Any, subject: Any) -> HttpResponse:
        mine = {"title": "The secret, this once", "subject": subject, "secret": result.secret}
        context = {**asked, **mine, "base_url": base_url(request)}
        shown = page(self.admin_site, request, "admin/secret.html", context)
        shown["Cache-Control"] = "no-store"
        return shown


def action_url(site_name: str, model: type[Model], action: actions.Action, row: Any) -> str:
    """Where the page of `action` is, on `row` or above the list."""
    name = f"{site_name}:{model._meta.app_label}_{model._meta.model_name}_do"
    if row is None:
        return reverse(name, args=[action.operation.name])
    return reverse(f"{name}_row", args=[row.public_id, action.operation.name])


def base_url(request: HttpRequest) -> str:
    """Where this installation's API is, as the browser reaches it."""
    return request.build_absolute_uri("/").rstrip("/")


def _misplaced(request: HttpRequest) -> Problem | None:
    return actions.elsewhere(acting(request), request.POST) if request.method == "POST" else None


def _named(offered: list[actions.Action], operation: str) -> actions.Action:
    for action in offered:
        if action.operation.name == operation:
            return action
    raise problems.NotFound(f"Nothing here is called {problems.show(operation)}.")
