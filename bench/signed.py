"""Signed requests of the local store, made inside an installation's environment by `signed_requests`.

python -m bench.signed COUNT SIZE
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass

from bench.installation import ROOT, Installation

_SECONDS = 3600


@dataclass(frozen=True)
class Transfer:
    """Where one blob is put, and where it is got."""

    put: str
    get: str


def signed_requests(installation: Installation, count: int, size: int) -> list[Transfer]:
    """URLs for `count` blobs of `size` bytes each."""
    command = [sys.executable, "-m", "bench.signed", str(count), str(size)]
    here = os.environ | installation.environment | {"PACKMULE_STORAGE_URL": installation.url}
    shown = subprocess.run(command, cwd=ROOT, env=here, check=True, capture_output=True)
    return [Transfer(**each) for each in json.loads(shown.stdout)]


def _sign(count: int, size: int) -> list[dict[str, str]]:
    import django

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    django.setup()
    from apps.storage.stores import keys, store
    from apps.storage.stores.base import Disposition
    from apps.tenancy.models import CONSOLE, Tenant
    from apps.tenancy.walls import outside

    with outside():
        console = Tenant.objects.named(CONSOLE)
    shown = Disposition("bench.bin", "application/octet-stream")
    named = [keys.make(console.ref, "bench", str(number)) for number in range(count)]
    return [
        {
            "put": store().upload_url(key, size=size, seconds=_SECONDS).url,
            "get": store().download_url(key, shown, seconds=_SECONDS).url,
        }
        for key in named
    ]


if __name__ == "__main__":
    sys.stdout.write(json.dumps(_sign(int(sys.argv[1]), int(sys.argv[2]))))
