"""Whether people may be sent to an address: links there hold keys, and redirects there follow a sign-in."""

from __future__ import annotations

from urllib.parse import SplitResult, urlsplit

from apps.accounts.signin.errors import FrontendUrlUnfit
from apps.core.addresses import is_this_machine
from apps.core.problems import FieldError, show

#: What an address has to hold, so that the page it leads to knows what it is about.
NEEDS = {"new_password_url": "{key}", "invitation_url": "{token}"}


def check_url(field: str, url: str, *, protected: bool) -> None:
    """Raise FrontendUrlUnfit unless `url` ('' for none) may be set as `field` of a tenant."""
    problem = _problem(field, url, protected=protected) if url else ""
    if problem:
        detail = f"{show(url)} will not do: {problem}"
        raise FrontendUrlUnfit(detail, errors=[FieldError(field, "frontend_url_unfit", detail)])


def _problem(field: str, url: str, *, protected: bool) -> str:
    split = split_address(url)
    if split is None:
        return "it is no absolute address."
    if split.username is not None or split.password is not None:
        return "it names a user."
    local = split.scheme == "http" and is_this_machine(str(split.hostname))
    if split.scheme != "https" and (protected or not local):
        return "it has to begin with https://."
    needed = NEEDS.get(field)
    if needed and needed not in f"{split.path}?{split.query}#{split.fragment}":
        return f"it has to hold {needed} behind the host."
    if "{" in split.netloc:
        return "its host has to be written out."
    return ""


def split_address(url: str) -> SplitResult | None:
    """`url` in its parts; None for one without a host, or that two readers could read differently."""
    if any(not char.isprintable() or char in " \\" for char in url):
        return None
    try:
        split = urlsplit(url)
        _ = split.port
    except ValueError:
        return None
    return split if split.hostname else None
