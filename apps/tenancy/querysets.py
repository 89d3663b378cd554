"""Asking the registry about tenants."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.db import models

if TYPE_CHECKING:
    from apps.tenancy.models import Tenant  # noqa: F401 - named in a base class


class TenantQuerySet(models.QuerySet["Tenant"]):
    """Tenants, in the words of their states."""

    def active(self) -> TenantQuerySet:
        """Those that serve calls."""
        return self.filter(state="active")

    def spare(self, kind: str) -> TenantQuerySet:
        """Built and unclaimed ones of a kind."""
        return self.filter(state="spare", kind=kind)

    def behind(self, fingerprints: dict[str, str]) -> TenantQuerySet:
        """Those that were built from something else than the code that runs now."""
        current = models.Q()
        for kind, fingerprint in fingerprints.items():
            current |= models.Q(kind=kind, fingerprint=fingerprint)
        return self.exclude(current)

    def named(self, name: str) -> Any:
        """The active tenant called `name`, or None."""
        return self.active().filter(name=name).first()
