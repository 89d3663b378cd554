"""How the list of jobs is narrowed and paged."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, cast

from django.contrib import admin
from django.core.paginator import Paginator
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.functional import cached_property

from apps.jobs import admin_figures
from apps.jobs.models import Job
from apps.jobs.states import JobState

#: What counts as failed.
FAILED: Final = (JobState.DEAD, JobState.EXPIRED)
#: Jobs, the newest, among whose kinds one chooses.
_NEWEST = 1000


class UpTo(Paginator):  # type: ignore[type-arg] # it takes no arguments when it runs
    """Pages of the newest ten thousand rows: to count a million takes longer than anybody waits."""

    @cached_property
    def count(self) -> int:
        """How many rows there are, up to that many."""
        rows = cast("QuerySet[Job]", self.object_list)
        return rows.order_by()[: admin_figures.MOST_COUNTED].count()


class StateFilter(admin.SimpleListFilter):
    """By where jobs stand at this moment."""

    title, parameter_name = "state", "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:  # noqa: ARG002
        """The states, as the domain says them."""
        return [(state.value, str(state.label)) for state in JobState]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:  # noqa: ARG002
        """Those in the chosen state, read as the API reads it."""
        return queryset.in_state(self.value()) if self.value() else queryset  # type: ignore[attr-defined]


class _ColumnFilter(admin.SimpleListFilter):
    """By a column, with what was found there to choose from, and what was asked for."""

    def found(self) -> Sequence[str]:
        """What can be chosen."""
        raise NotImplementedError

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:  # noqa: ARG002
        """All of them."""
        asked = request.GET.get(str(self.parameter_name), "")
        return [(one, one) for one in sorted({*self.found(), asked} - {""})]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:  # noqa: ARG002
        """Those with the chosen one."""
        return queryset.filter(**{str(self.parameter_name): self.value()}) if self.value() else queryset


class QueueFilter(_ColumnFilter):
    """By queue."""

    title, parameter_name = "queue", "queue"

    def found(self) -> Sequence[str]:
        """The queues in which there are jobs."""
        return admin_figures.names()


class KindFilter(_ColumnFilter):
    """By kind."""

    title, parameter_name = "kind", "kind"

    def found(self) -> Sequence[str]:
        """The kinds among the newest jobs."""
        newest = Job.objects.of_the_product().order_by("-id").values("kind")[:_NEWEST]
        return [row["kind"] for row in newest]


class FailedFilter(admin.SimpleListFilter):
    """What failed today."""

    title, parameter_name = "failed", "failed"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:  # noqa: ARG002
        """Today."""
        return [("today", "In the last 24 hours")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:  # noqa: ARG002
        """Those that are dead or expired since yesterday."""
        if self.value() != "today":
            return queryset
        return queryset.filter(state__in=FAILED, finished_at__gt=admin_figures.yesterday())
