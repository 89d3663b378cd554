"""Whether this process lives, and whether the installation can serve."""

from __future__ import annotations

from django.db import DatabaseError, connection
from django.http import HttpRequest, HttpResponse

from apps.core import serving
from apps.core.problem_handlers import problem_response
from apps.core.problems import Remedy, ServiceUnavailable
from apps.core.strictjson import MEDIA_TYPE, dumps
from apps.tenancy.blueprint import is_behind
from apps.tenancy.models import CONSOLE, Tenant
from apps.tenancy.walls import outside


def healthz(_request: HttpRequest) -> HttpResponse:
    """Answer 200 as long as this process can answer at all; it asks nobody else."""
    return HttpResponse(dumps({"status": "ok"}), content_type=MEDIA_TYPE)


def readyz(request: HttpRequest) -> HttpResponse:
    """Answer 200 when the database is reached and the console is up to date, 503 with the reason otherwise."""
    reason = reason_not_ready()
    if reason is None:
        return HttpResponse(dumps({"status": "ready"}), content_type=MEDIA_TYPE)
    prepare = Remedy(command="manage.py prepare")
    return problem_response(ServiceUnavailable(reason, code="not_ready", remedy=prepare), request)


def reason_not_ready() -> str | None:
    """Why calls cannot be served now, or None."""
    try:
        with outside():
            console = Tenant.objects.named(CONSOLE)
    except DatabaseError:
        connection.close()
        return "The database does not answer, or holds no registry yet."
    if console is None:
        return "This installation has no console yet."
    if is_behind(console):
        return "The console was built for other code than runs now."
    return next(iter(serving.objections()), None)
