"""A WSGI application that answers with the client's address, as far as the platform believes what it was told."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import Any

from django.conf import settings

from apps.core.addresses import client_address

settings.configure(
    PACKMULE_TRUSTED_PROXIES=["127.0.0.1"], PACKMULE_ADDRESS_HEADER=os.environ["PACKMULE_ADDRESS_HEADER"]
)


def application(environ: Mapping[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
    """Answer any call."""
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [str(client_address(environ)).encode()]
