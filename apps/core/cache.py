"""The cache: a table in the tenant that stands, so that all workers share it and no tenant meets another's entries.

allauth keeps device codes and rate limits here. What is forgotten too early would let somebody guess on, so it is no
cache of the process.
"""

from __future__ import annotations

import hashlib
import json
from datetime import datetime, timedelta
from typing import Any

from django.core.cache.backends.base import DEFAULT_TIMEOUT, BaseCache
from django.db import connection
from django.db.models import Q, QuerySet

from apps.core import clock
from apps.core.models import CacheEntry

_LONGEST = 250
_ADD = """
insert into core_cacheentry as entry (key, value, expires_at) values (%s, %s, %s)
on conflict (key) do update set value = excluded.value, expires_at = excluded.expires_at
where entry.expires_at <= %s
returning true
"""


class TenantCache(BaseCache):
    """Django's cache over the standing tenant's `core_cacheentry`. Values are JSON; outside of a tenant there is none.

    A value that is no JSON is a TypeError: what could be unpickled could be code.
    """

    def __init__(self, _location: str, params: dict[str, Any]) -> None:
        super().__init__(params)

    def add(self, key: Any, value: Any, timeout: Any = DEFAULT_TIMEOUT, version: int | None = None) -> bool:
        """Keep `value` unless there is one already; True when it was kept. Of several at once, one is."""
        entry = [self._name(key, version), json.dumps(value), self._ends(timeout), clock.now()]
        with connection.cursor() as cursor:
            cursor.execute(_ADD, entry)
            return cursor.fetchone() is not None

    def get(self, key: Any, default: Any = None, version: int | None = None) -> Any:
        """The value, or `default`."""
        kept = self._alive(key, version).values_list("value", flat=True).first()
        return default if kept is None else json.loads(kept)

    def set(self, key: Any, value: Any, timeout: Any = DEFAULT_TIMEOUT, version: int | None = None) -> None:
        """Keep `value` for `timeout` seconds (None: until it is deleted)."""
        CacheEntry.objects.bulk_create(
            [
                CacheEntry(
                    key=self._name(key, version), value=json.dumps(value), expires_at=self._ends(timeout)
                )
            ],
            update_conflicts=True,
            unique_fields=["key"],
            update_fields=["value", "expires_at"],
        )

    def touch(self, key: Any, timeout: Any = DEFAULT_TIMEOUT, version: int | None = None) -> bool:
        """Keep what is there for `timeout` seconds from now; False when there is nothing."""
        return bool(self._alive(key, version).update(expires_at=self._ends(timeout)))

    def delete(self, key: Any, version: int | None = None) -> bool:
        """Forget it; False when there was nothing."""
        return bool(CacheEntry.objects.filter(key=self._name(key, version)).delete()[0])

    def has_key(self, key: Any, version: int | None = None) -> bool:
        """True when there is a value."""
        return self._alive(key, version).exists()

    def clear(self) -> None:
        """Forget everything of the standing tenant."""
        CacheEntry.objects.all().delete()

    def _name(self, key: Any, version: int | None) -> str:
        name = str(self.make_key(key, version=version))
        return name if len(name) <= _LONGEST else hashlib.sha256(name.encode()).hexdigest()

    def _alive(self, key: Any, version: int | None) -> QuerySet[CacheEntry]:
        lasting = Q(expires_at=None) | Q(expires_at__gt=clock.now())
        return CacheEntry.objects.filter(lasting, key=self._name(key, version))

    def _ends(self, timeout: Any) -> datetime | None:
        seconds = self.default_timeout if timeout is DEFAULT_TIMEOUT else timeout
        return None if seconds is None else clock.now() + timedelta(seconds=seconds)
