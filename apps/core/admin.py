"""What every admin page is built on. The one module that imports the theme.

A room registers its models with `site` and a subclass of `StoryAdmin`: read-only lists and pages that tell a story.
Change happens by named actions alone (see admin_actions).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from collections.abc import Set as AbstractSet
from contextlib import AbstractContextManager, nullcontext
from typing import Any, ClassVar, cast

from django.contrib.admin import ShowFacets
from django.core.exceptions import PermissionDenied, SuspiciousOperation
from django.db.models import Model, QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect
from django.templatetags.static import static
from django.urls import URLPattern, path, reverse
from unfold.admin import ModelAdmin
from unfold.sites import UnfoldAdminSite
from unfold.views import ChangeList

from apps.core import problems
from apps.core.actor import Actor
from apps.core.admin_pages import ActionPages, base_url, page
from apps.core.admin_story import (
    Equivalent,
    Fact,
    equivalent,
    needs_of,
    related_of,
    story_url,
    timeline_of,
    ways_of,
)
from apps.core.endpoints import acting
from apps.core.ids import Identified, decode
from apps.core.operations import Operation, decide
from apps.core.problem_handlers import from_exception
from apps.core.problems import Problem

AnyOperation = Operation[..., Any]
View = Callable[..., HttpResponseBase]
Crumb = tuple[str, str]
Context = dict[str, Any]


#: Pages of Django's for what is not done here: looking at a thing elsewhere, and choosing related rows in forms.
_UNWANTED = frozenset({"view_on_site", "autocomplete"})


def _without(names: AbstractSet[str], entries: list[URLPattern]) -> list[URLPattern]:
    return [entry for entry in entries if getattr(entry, "name", None) not in names]


class Site(UnfoldAdminSite):  # type: ignore[misc] # the theme has no types
    """An admin site of tenants of one `kind`, in the theme. `admits` says for whom.

    `extras` add to every page's context. `door` is what those see who are not admitted; without one they are sent to
    sign in, or told that it is not for them.
    """

    site_title = site_header = "Packmule"
    index_title = "Dashboard"
    enable_nav_sidebar = True

    def __init__(self, name: str, admits: Callable[[Actor], bool], kind: str = "console") -> None:
        super().__init__(name)
        self.admits, self.kind = admits, kind
        self.door: View | None = None
        self.extras: list[Callable[[HttpRequest], Context]] = []
        self.pages: list[tuple[str, View, str]] = []
        self.navigation: Callable[[HttpRequest], list[Context]] = lambda _request: []
        self.dashboard: Callable[[HttpRequest], Context] = lambda _request: {}

    def has_permission(self, request: HttpRequest) -> bool:
        """True for a person who is signed in and whom this site admits."""
        actor: Actor | None = getattr(request, "actor", None)
        return actor is not None and self.admits(actor)

    def admin_view(self, view: View, cacheable: bool = False) -> View:
        """Guard a page: its kind of tenant only, and who is admitted; a refusal is a page like the others."""
        guarded = super().admin_view(view, cacheable)

        def inner(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
            tenant = getattr(request, "tenant", None)
            if tenant is None or tenant.kind != self.kind:
                raise Http404
            request.current_app = self.name
            if not self.has_permission(request) and (turned_away := self._turned_away(request)):
                return turned_away
            try:
                return guarded(request, *args, **kwargs)  # type: ignore[no-any-return]
            except (Problem, Http404, PermissionDenied, SuspiciousOperation) as refusal:
                return self.refusal(request, from_exception(refusal) or problems.InternalError())

        return inner

    def _turned_away(self, request: HttpRequest) -> HttpResponseBase | None:
        """The page for who is not admitted; None where signing in may help."""
        if self.door is not None:
            return self.door(request)
        if not request.user.is_authenticated:
            return None
        return page(self, request, "admin/refused.html", {"title": "Not for you"}, status=403)

    def refusal(self, request: HttpRequest, problem: Problem) -> HttpResponse:
        """The page of a refusal."""
        context = {"title": problem.title, "problem": problem}
        return page(self, request, "admin/problem.html", context, status=problem.status)

    def get_urls(self) -> list[URLPattern]:
        """The site's own pages first, then those of Django's that are wanted."""
        own = [path(route, self.admin_view(view), name=name) for route, view, name in self.pages]
        return [*own, *_without(_UNWANTED, super().get_urls())]

    def each_context(self, request: HttpRequest) -> Context:
        """What every page gets: the theme's own, with this project's looks over it."""
        context: Context = super().each_context(request)
        context |= {"colors": None, "site_url": None, "is_fullwidth": "", "site_name": self.name}
        context |= {"styles": [static("packmule/packmule.css")], "scripts": [static("packmule/packmule.js")]}
        for extra in self.extras:
            context |= extra(request)
        return context

    def get_sidebar_list(self, request: HttpRequest) -> list[Context]:
        """The navigation; what the site's own function lists."""
        groups = self.navigation(request)
        items = [item for group in groups for item in group["items"]]
        # A list is around the pages below it, and only the nearest one is where somebody is.
        around = [item["link"] for item in items if self._get_is_active(request, item["link"])]
        nearest = max(around, key=len, default=None)
        for item in items:
            item.setdefault("has_permission", True)
            item["active"] = item["link"] == nearest
        return groups

    def index(self, request: HttpRequest, extra_context: Context | None = None) -> HttpResponse:
        """The dashboard."""
        context = {"title": self.index_title, **self.dashboard(request), **(extra_context or {})}
        return page(self, request, f"admin/{self.name}_index.html", context)

    def app_index(self, request: HttpRequest, *_args: Any, **_kwargs: Any) -> HttpResponse:  # noqa: ARG002
        """Rooms have no page of their own."""
        return redirect(f"{self.name}:index")

    def login(self, request: HttpRequest, extra_context: Context | None = None) -> HttpResponse:  # noqa: ARG002
        """Sign-in is the accounts' matter."""
        query = f"?{request.GET.urlencode()}" if request.GET else ""
        return redirect(reverse("account_login") + query)

    def logout(self, request: HttpRequest, extra_context: Context | None = None) -> HttpResponse:  # noqa: ARG002
        """So is signing out."""
        return redirect("account_logout")

    def password_change(self, request: HttpRequest, extra_context: Context | None = None) -> HttpResponse:  # noqa: ARG002
        """And changing the password."""
        return redirect("account_change_password")


#: The builders' site, the operators', and that of each environment, for builders who were handed off to it.
site = Site("admin", admits=lambda actor: actor.organization is not None or actor.is_operator)
operators = Site("operator", admits=lambda actor: actor.is_operator)
environments = Site("environment", admits=lambda actor: actor.is_away, kind="environment")


class StoryList(ChangeList):  # type: ignore[misc] # the theme has no types
    """A list whose rows lead to their stories, by the ids that everybody sees."""

    def get_results(self, request: HttpRequest) -> None:
        """Read the page's rows now, where the model is read."""
        with self.model_admin.reading():
            super().get_results(request)
            self.result_list: list[Any] = list(self.result_list)

    def url_for_result(self, result: Any) -> str:
        """The page about `result`."""
        return story_url(result, self.model_admin.admin_site.name)


class StoryAdmin(ActionPages, ModelAdmin):  # type: ignore[misc] # the theme has no types
    """A model's list and the pages about its rows. Nothing is edited here; `reads` is the operation that lists."""

    reads: ClassVar[AnyOperation]
    reads_one: ClassVar[AnyOperation | None] = None
    headline: ClassVar[str]
    intro: ClassVar[str] = ""
    empty: ClassVar[str] = ""
    story_template: ClassVar[str] = "admin/story.html"

    list_before_template = "admin/list_intro.html"
    list_after_template = "admin/list_after.html"
    list_per_page = 50
    show_full_result_count = False
    show_facets = ShowFacets.NEVER
    actions = None
    sortable_by: ClassVar[Sequence[str]] = ()

    def rows(self, actor: Actor) -> QuerySet[Any]:
        """What `actor` may see, newest first. Raises Refused."""
        found: QuerySet[Any] = self.reads(actor)
        return found

    def facts(self, row: Any) -> Sequence[Fact]:  # noqa: ARG002
        """The summary of `row`."""
        return ()

    def state(self, row: Any) -> Any:  # noqa: ARG002
        """The badge beside the name of `row`, '' for none."""
        return ""

    def target(self, row: Any) -> dict[str, Any] | None:  # noqa: ARG002
        """The URL's arguments of the call that reads `row`; None where there is no such call."""
        return None

    def reading(self) -> AbstractContextManager[Any]:
        """Where the connection stands while rows are read; a model of the registry says otherwise."""
        return nullcontext()

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """The rows of whoever looks."""
        return self.rows(acting(request))

    def has_view_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:  # noqa: ARG002
        """What the gates say about listing."""
        return decide(acting(request), self.reads, {}).decision == "allow"

    has_module_permission = has_view_permission

    def has_add_permission(self, request: HttpRequest) -> bool:  # noqa: ARG002
        """Never: things are made by named actions."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:  # noqa: ARG002
        """Never."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:  # noqa: ARG002
        """Never."""
        return False

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest) -> bool:
        """True for what the declared filters ask, and nothing else: Django would take any column, a password too."""
        asked = {
            f"{one}__exact" if isinstance(one, str) else one.parameter_name
            for one in self.get_list_filter(request)
        }
        # Postgres keeps no NUL, and refuses to compare with one.
        return lookup in asked and "\x00" not in value

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[StoryList]:  # noqa: ARG002
        """Lists lead to stories."""
        return StoryList

    def get_urls(self) -> list[URLPattern]:
        """The actions' pages, the list and the story; of Django's forms and its own history there is nothing here."""
        name = f"{self.opts.app_label}_{self.opts.model_name}"
        unwanted = {f"{name}_{page}" for page in ("add", "delete", "history")}
        wrap = self.admin_site.admin_view
        own = [
            path("do/<str:operation>/", wrap(self.list_action_view), name=f"{name}_do"),
            path("<str:object_id>/do/<str:operation>/", wrap(self.row_action_view), name=f"{name}_do_row"),
        ]
        return [*own, *_without(unwanted, super().get_urls())]

    def get_changelist_instance(self, request: HttpRequest) -> Any:
        """The list, which says how to make the first row where it has none."""
        listed, offered = super().get_changelist_instance(request), self.offered_above()
        listed.offers = self.offers(request, None, offered)
        empty = offered and not listed.result_list
        listed.first = self.example(request, offered[0], None) if empty else None
        return listed

    def changelist_view(self, request: HttpRequest, extra_context: Context | None = None) -> HttpResponse:
        """The list, with what needs somebody and what can be done above it."""
        actor = acting(request)
        context = {
            "title": self.headline,
            "crumbs": [(self.headline, "")],
            "intro": self.intro,
            "needs": needs_of(actor, self.model),
            "offers": self.offers(request, None, self.offered_above()),
            "equivalent": equivalent(self.reads, self.list_target(actor), {}, base_url(request)),
        }
        shown: HttpResponse = super().changelist_view(request, {**context, **(extra_context or {})})
        return shown

    def list_target(self, actor: Actor) -> dict[str, Any]:  # noqa: ARG002
        """The URL's arguments of the call that lists."""
        return {}

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",  # noqa: ARG002
        extra_context: Context | None = None,
    ) -> HttpResponse:
        """The page about one row."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        actor, row, kind = acting(request), self.found(request, object_id), self.admin_site.kind
        context = {
            "title": str(row),
            "crumbs": [*self.crumbs(), (str(row), "")],
            "row": row,
            "state": self.state(row),
            "facts": self.facts(row),
            "offers": self.offers(request, row, self.offered_on()),
            "ways": [
                (way.label, way.url(row), way.sends and way.sends(row))
                for way in ways_of(actor, self.model, kind)
            ],
            "related": [(one, list(one.rows(actor, row))) for one in related_of(self.model, kind)],
            "timeline": timeline_of(actor, row.public_id),
            "equivalent": self._reading(request, row),
            **(extra_context or {}),
        }
        return page(self.admin_site, request, self.story_template, context)

    def found(self, request: HttpRequest, object_id: str) -> Any:
        """The row with that shown id. Raises NotFound."""
        known = cast("type[Identified]", self.model)
        try:
            identity = decode(object_id, known.id_prefix)
        except ValueError:
            raise problems.missing(self.opts.verbose_name, object_id) from None
        row = self._one(request, identity)
        if row is None:
            raise problems.missing(self.opts.verbose_name, object_id)
        return row

    def still_there(self, request: HttpRequest, row: Any) -> bool:
        """True while `row` can be seen by whoever looks."""
        return self._one(request, row.pk) is not None

    def _one(self, request: HttpRequest, identity: object) -> Any:
        rows = self.get_queryset(request)
        with self.reading():
            return rows.filter(pk=identity).first()

    def _reading(self, request: HttpRequest, row: Any) -> Equivalent | None:
        target = self.target(row)
        if self.reads_one is None or target is None:
            return None
        return equivalent(self.reads_one, target, {}, base_url(request))
