"""Where the bytes of files lie: this machine's disk, or any S3, as the settings say."""

from functools import lru_cache
from typing import Any

from django.conf import settings

from apps.storage.stores.base import Store
from apps.storage.stores.local import LocalStore

_S3_SETTINGS = ("BUCKET", "ENDPOINT", "REGION", "ACCESS_KEY", "SECRET_KEY", "PATH_STYLE")


def store() -> Store:
    """The store of this installation: S3 where PACKMULE_S3_BUCKET names one, else PACKMULE_STORAGE_DIR."""
    if settings.PACKMULE_S3_BUCKET:
        return _s3(*(getattr(settings, f"PACKMULE_S3_{name}") for name in _S3_SETTINGS))
    return LocalStore(settings.PACKMULE_STORAGE_DIR)


@lru_cache(maxsize=1)
def _s3(*where: Any) -> Store:
    # Its libraries cost time and memory, which an installation without S3 never pays.
    from apps.storage.stores.s3 import S3Store

    return S3Store(*where)
