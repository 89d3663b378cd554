"""The folder of the files: begun once for an installation without any, and missed where it was begun and is away."""

from __future__ import annotations

import logging

from django.db import DatabaseError

from apps.core.actor import TenantRef
from apps.storage import stores
from apps.storage.models import Condemned, FileVersion
from apps.storage.stores.absence import Absence
from apps.storage.stores.errors import StoreFull, StoreUnreachable
from apps.storage.stores.local import MARK, LocalStore
from apps.tenancy.models import Tenant, TenantState
from apps.tenancy.walls import enter, outside

logger = logging.getLogger("packmule.storage")
_absence = Absence()


def begin() -> None:
    """Have a folder for the files, which is made where no tenant has any yet. Nothing with another store.

    Raises StoreUnreachable, which says what to do, where there are files and their folder is away; also StoreFull.
    """
    store = stores.store()
    if not isinstance(store, LocalStore) or store.is_begun:
        return
    if _are_there_files():
        raise StoreUnreachable(
            f"{store.root} (PACKMULE_STORAGE_DIR) holds no {MARK}, so it is not the folder of this installation's"
            f" files. Mount its disk; where those are the files, make an empty file of that name in it."
        )
    store.begin()


def begin_quietly() -> None:
    """The same, with a word in the log where no file can be had.

    That is no reason not to serve: what is no file works, and who asks for one is answered store_unreachable.
    """
    if _absence.lasts:
        return
    try:
        begin()
    except (StoreFull, StoreUnreachable) as refusal:
        _absence.note()
        logger.warning("No file can be read or written. %s", refusal.detail)
    except DatabaseError:
        _absence.note()
        logger.warning("Whether there are files is asked again when the database answers.")


def _are_there_files() -> bool:
    """Also those of a deleted tenant, which may be restored; one that is being imported has its bytes to come."""
    kept = (TenantState.ACTIVE, TenantState.DELETED)
    with outside():
        tenants = [tenant.ref for tenant in Tenant.objects.filter(state__in=kept).order_by("id")]
    return any(_has_files(tenant) for tenant in tenants)


def _has_files(tenant: TenantRef) -> bool:
    with enter(tenant):
        return FileVersion.objects.exists() or Condemned.objects.exists()
