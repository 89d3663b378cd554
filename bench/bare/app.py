"""The project: its settings, its view and its application in one file."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

import orjson
from django.conf import settings
from django.core.wsgi import get_wsgi_application
from django.db import connection
from django.http import HttpRequest, HttpResponse
from django.urls import path

from bench.capture import read
from config import env

#: Django's own default is to send each statement whole; Packmule's connection prepares what comes again.
OPTIONS = {"server_side_binding": True, "prepare_threshold": 3} if env.flag("BENCH_PREPARES") else {}
STATEMENTS = read(Path(os.environ["BENCH_STATEMENTS"]))

DATABASE = env.database("PACKMULE_DATABASE_URL") | {"ENGINE": "django.db.backends.postgresql"}
DATABASE["OPTIONS"] |= OPTIONS

settings.configure(
    ALLOWED_HOSTS=["*"],
    DATABASES={"default": DATABASE},
    MIDDLEWARE=[],
    ROOT_URLCONF=__name__,
    SECRET_KEY=secrets.token_urlsafe(),
    USE_TZ=True,
)


def rows(_request: HttpRequest) -> HttpResponse:
    """Run the statements; answer with the rows of the last one."""
    with connection.cursor() as cursor:
        for statement, parameters in STATEMENTS:
            cursor.execute(statement, parameters)
            found = cursor.fetchall()
        columns = [column.name for column in cursor.description]
    document = {"data": [dict(zip(columns, row, strict=True)) for row in found], "next_cursor": None}
    body = orjson.dumps(document)
    # Without a length the server sends chunks, which cost the client more.
    return HttpResponse(body, content_type="application/json", headers={"Content-Length": str(len(body))})


urlpatterns = [path("rows", rows)]

application = get_wsgi_application()
