"""The WSGI application that granian serves."""

import os
from collections.abc import Callable, Iterable
from typing import Any

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

_django = get_wsgi_application()

from apps.tenancy import agreeing  # noqa: E402 - its settings have to be there


def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """Serve a request, by the time of the database."""
    # Not when this is imported: the process that does so may fork others, to which threads do not go along.
    agreeing.keep_agreeing()
    return _django(environ, start_response)
