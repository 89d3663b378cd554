"""Actions on many jobs: chosen in the list, confirmed on a page, and done one after the other with one reason."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar
from urllib.parse import urlencode

from django.contrib import messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import URLPattern, path, reverse

from apps.core import admin_actions as actions
from apps.core import problems
from apps.core.actor import Actor
from apps.core.admin_actions import Action
from apps.core.admin_pages import base_url, page
from apps.core.admin_story import equivalent
from apps.core.endpoints import acting
from apps.core.ids import decode, encode
from apps.core.problems import Problem
from apps.jobs import jobs
from apps.jobs.models import Job
from apps.jobs.states import REDRIVABLE, JobState

_MOST = 100
_HEAVY = ("payload", "result")


def _job(_actor: Actor | None, row: Any) -> dict[str, Any]:
    return {"job_id": row.pk}


def can_be_cancelled(row: Job) -> bool:
    """True for a job that is not over, and that nobody has cancelled yet."""
    return not row.is_over and row.state != JobState.CANCELLING


def can_be_retried(row: Job) -> bool:
    """True for a job that ended without success."""
    return row.state in REDRIVABLE


CANCEL = Action(
    jobs.cancel_job,
    "Cancel",
    "It will not succeed, whatever its worker does. One that runs is told so by its next heartbeat.",
    _job,
    applies=can_be_cancelled,
)
RETRY = Action(
    jobs.retry_job,
    "Retry",
    "It goes back into its queue, with as many attempts as it had at first.",
    _job,
    applies=can_be_retried,
)


@dataclass(frozen=True, slots=True)
class Many:
    """Several jobs, as the thing that an action is about."""

    jobs: Sequence[Job]

    def __str__(self) -> str:
        return f"{len(self.jobs)} {'job' if len(self.jobs) == 1 else 'jobs'}"

    @property
    def pk(self) -> Any:
        """Whether one may is decided by the first of them."""
        return self.jobs[0].pk


class ManyPages:
    """The part of the list that offers `many`: each leads to a page that says what will happen to which jobs."""

    many: ClassVar[Sequence[Action]]
    model: Any
    admin_site: Any

    def get_actions(self, request: HttpRequest) -> dict[str, tuple[Callable[..., Any], str, str]]:
        """What can be done with the chosen rows, by whoever looks."""
        actor = acting(request)
        allowed = [one for one in self.many if one.decision(actor, Job()).decision != "deny"]
        return {one.operation.name: (_chosen(one), one.operation.name, one.label) for one in allowed}

    def get_urls(self) -> list[URLPattern]:
        """The page that confirms, before the rest."""
        view = self.admin_site.admin_view(self.many_view)
        rest: list[URLPattern] = super().get_urls()  # type: ignore[misc] # the theme has no types
        return [path("many/<str:operation>/", view, name="jobs_job_many"), *rest]

    def many_view(self, request: HttpRequest, operation: str) -> HttpResponse:
        """Say what will happen to which jobs, and do it when that is sent."""
        action, actor = self._named(operation), acting(request)
        fit, rest = _sorted(action, self._asked(request))
        if not fit:
            messages.warning(request, f"{action.label}: there is nothing to do for {Many(rest)}.")
            return redirect(self._list())
        many = Many(fit)
        form = actions.ActionForm(action, actor, many, request.POST if request.method == "POST" else None)
        problem = actions.elsewhere(actor, request.POST) if request.method == "POST" else None
        if problem is None and form.is_valid():
            return self._do(request, form, many)
        context = {**self._asking(request, action, many), "left_out": rest, "form": form, "problem": problem}
        status = problem.status if problem else 200
        return page(self.admin_site, request, "admin/jobs_many.html", context, status=status)

    def _asking(self, request: HttpRequest, action: Action, many: Many) -> dict[str, Any]:
        title = f"{action.label}: {many}"
        return {
            "title": title,
            "crumbs": [("Jobs", self._list()), (title, "")],
            "action": action,
            "row": many,
            "decision": action.decision(acting(request), many),
            "back": self._list(),
            "equivalent": equivalent(action.operation, {}, {}, base_url(request)),
        }

    def _do(self, request: HttpRequest, form: actions.ActionForm, many: Many) -> HttpResponse:
        refused: list[str] = []
        for job in many.jobs:
            form.row = job
            try:
                actions.perform(form)
            except Problem as problem:
                refused.append(f"{job.public_id}: {problem.detail}")
        done = Many(many.jobs[: len(many.jobs) - len(refused)])
        if done.jobs:
            messages.success(request, f"{form.action.label}: {done}. Done, and on record.")
        if refused:
            messages.error(request, f"Refused for {len(refused)}. {' '.join(refused[:3])}")
        return redirect(self._list())

    def _named(self, operation: str) -> Action:
        for action in self.many:
            if action.operation.name == operation:
                return action
        raise problems.NotFound(f"Nothing here is called {problems.show(operation)}.")

    def _asked(self, request: HttpRequest) -> list[Job]:
        """The jobs that the address names, as far as whoever looks sees them. Raises NotFound for none."""
        ids = [_read(shown) for shown in request.GET.getlist("id")[:_MOST]]
        rows = Job.objects.visible_to(acting(request)).of_the_product().defer(*_HEAVY)
        found = list(rows.filter(pk__in=[one for one in ids if one is not None]).order_by("id"))
        if not found:
            raise problems.NotFound("None of these jobs is there. Choose some in the list.")
        return found

    def _list(self) -> str:
        return reverse("admin:jobs_job_changelist")


def _chosen(action: Action) -> Callable[..., HttpResponse]:
    def lead_on(_admin: Any, _request: HttpRequest, chosen: QuerySet[Any]) -> HttpResponse:
        ids = chosen.order_by("-id").values_list("pk", flat=True)[:_MOST]
        query = urlencode({"id": [encode(Job.id_prefix, pk) for pk in ids]}, doseq=True)
        return redirect(f"{reverse('admin:jobs_job_many', args=[action.operation.name])}?{query}")

    return lead_on


def _sorted(action: Action, found: Sequence[Job]) -> tuple[list[Job], list[Job]]:
    """Those to which the action can be done now, and the others."""
    fit = [job for job in found if action.applies(job)]
    return fit, [job for job in found if not action.applies(job)]


def _read(shown: str) -> Any:
    try:
        return decode(shown, Job.id_prefix)
    except ValueError:
        return None
