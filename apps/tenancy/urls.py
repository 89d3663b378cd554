"""Where a tenant is reached from outside: the addresses that mails and pages for its people name."""

from __future__ import annotations

from urllib.parse import urlsplit

from django.conf import settings

from apps.tenancy.models import Domain
from apps.tenancy.walls import HasSchema, outside


def tenant_url(tenant: HasSchema, path: str, *, base: str = "") -> str:
    """The address of `path` ("/accounts/…") on the tenant's own host, or on the installation's where it has none.

    Scheme and port are those of `base`, or of PACKMULE_PUBLIC_URL; without it http and the port that is served. One
    query.
    """
    served = f"http://localhost:{settings.PACKMULE_PORT or 80}"
    public = urlsplit(base or settings.PACKMULE_PUBLIC_URL or served)
    with outside():
        found = Domain.objects.filter(tenant__schema_name=tenant.schema_name)
        host = found.order_by("-is_primary", "id").values_list("domain", flat=True).first()
    port = "" if public.port in (None, {"http": 80, "https": 443}.get(public.scheme)) else f":{public.port}"
    return f"{public.scheme}://{host or public.hostname}{port}{path}"
