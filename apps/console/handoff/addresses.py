"""Where the flow may lead: the console's hosts, an environment's host, and pages below /admin/ there. Nowhere else."""

from __future__ import annotations

from urllib.parse import unquote, urlsplit

from django.conf import settings

from apps.apikeys.lookup import TenantRow, find_console
from apps.core.problems import ServiceUnavailable
from apps.tenancy.models import Domain
from apps.tenancy.urls import tenant_url
from apps.tenancy.walls import outside

#: Where an environment's admin begins, and where it is entered and left.
FIRST_PAGE, ENTRANCE = "/admin/", "/admin/enter/"


def is_page(path: str) -> bool:
    """True for a page of an environment's admin: a plain path below /admin/, on no other host and no way out."""
    read = unquote(path)
    clean = read.isprintable() and "\\" not in read and "//" not in read.partition("?")[0]
    inside = read.startswith(FIRST_PAGE) and not read.startswith(ENTRANCE)
    return clean and inside and ".." not in urlsplit(read).path.split("/")


def page_or_first(path: str) -> str:
    """`path` where it is a page of the admin, else the first one."""
    return path if is_page(path) else FIRST_PAGE


def environment_url(environment: TenantRow, path: str) -> str:
    """The address of `path` on the environment's own host. One query."""
    return tenant_url(environment.ref, path)


def console_url(path: str, host: str = "") -> str:
    """The address of `path` on the console: by `host` where that is one of its own, else where people reach it.

    In the embedded default people come by 127.0.0.1 as well as by the console's own host, and their session is of the
    host by which they signed in. Two queries. Raises ServiceUnavailable without a console.
    """
    console = find_console()
    if console is None:
        raise ServiceUnavailable("This installation has no console yet. Run: manage.py prepare")
    own = urlsplit(tenant_url(console.ref, path))
    wanted = host if host and _is_console_host(host, console) else _usual_host(console)
    port = f":{own.port}" if own.port else ""
    return own._replace(netloc=f"{wanted}{port}").geturl() if wanted else own.geturl()


def _is_console_host(host: str, console: TenantRow) -> bool:
    if host in settings.PACKMULE_HOSTS:
        return True
    with outside():
        return bool(Domain.objects.filter(domain=host, tenant_id=console.ref.id).exists())


def _usual_host(console: TenantRow) -> str:
    """The host that PACKMULE_PUBLIC_URL names, or this machine's; '' for the console's first domain."""
    public = urlsplit(settings.PACKMULE_PUBLIC_URL).hostname
    if public:
        return public if _is_console_host(public, console) else ""
    return str(settings.PACKMULE_HOSTS[0]) if settings.PACKMULE_HOSTS else ""
