"""Addresses of sign-in pages: the product's own where the tenant named one, else ours, always on the tenant's own host.

None is ever made out of what a request says of its host.
"""

from __future__ import annotations

from urllib.parse import quote

from django.http import HttpRequest
from django.urls import reverse

from apps.accounts.signin.models import sign_in_settings
from apps.tenancy.urls import tenant_url
from apps.tenancy.walls import current_kind, current_tenant

#: allauth's name of a page -> the setting that holds the product's own page, and ours.
_PAGES = {
    "account_signup": ("sign_up_url", "account_signup"),
    "account_reset_password": ("reset_password_url", "account_reset_password"),
    "socialaccount_login_error": ("error_url", "account_login"),
}


def page(urlname: str, **parts: str) -> str | None:
    """The address of allauth's page `urlname`, absolute; None for one that no mail and no redirect leads to."""
    if urlname == "account_reset_password_from_key":
        return _new_password(parts["key"])
    if urlname not in _PAGES:
        return None
    setting, ours = _PAGES[urlname]
    return str(getattr(sign_in_settings(), setting)) or own_page(ours)


def own_page(urlname: str) -> str:
    """The address of our page `urlname` on the host of the tenant that stands."""
    return tenant_url(current_tenant(), reverse(urlname))


def own_root() -> str:
    """Scheme, host and port of the tenant that stands, as people reach it: what an address of ours begins with."""
    return tenant_url(current_tenant(), "")


def invitation(token: str) -> str:
    """Where the mail of an invitation leads."""
    own = sign_in_settings().invitation_url
    ours = reverse("account_invitation", args=[token])
    return own.replace("{token}", quote(token)) if own else tenant_url(current_tenant(), ours)


def home(request: HttpRequest) -> str:
    """Where people go once they are in."""
    own = sign_in_settings().home_url
    if own and not request.path_info.startswith("/_allauth/"):
        return own
    return "/admin/" if current_kind() == "console" else reverse("account_home")


def _new_password(key: str) -> str:
    own = sign_in_settings().new_password_url
    if own:
        return own.replace("{key}", quote(key))
    ours = reverse("account_reset_password_from_key", kwargs={"uidb36": "UID", "key": "KEY"})
    return tenant_url(current_tenant(), ours.replace("UID-KEY", quote(key)))
