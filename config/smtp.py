"""The mail server and the sender's address out of the environment, with a sentence when they do not fit."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from email.utils import parseaddr
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

from django.core.exceptions import ImproperlyConfigured

_URL = "PACKMULE_SMTP_URL"
_FORM = "Write smtp://user:password@host:port, with ?starttls=1 where the server asks for it, or smtps://…"
_PORTS = {"smtp": 25, "smtps": 465}
_SUBMISSION = 587
_ADDRESS = re.compile(r"[^@\s<>]+@[^@\s<>]+")


@dataclass(frozen=True, slots=True)
class Server:
    """A mail server and how to speak to it."""

    host: str
    port: int
    user: str
    password: str = field(repr=False)
    implicit_tls: bool
    starttls: bool


def server(text: str) -> Server | None:
    """The mail server that PACKMULE_SMTP_URL names, or None when that is empty.

    Raises ImproperlyConfigured when it is no such URL; the sentence never repeats the URL, which holds a password.
    """
    if not text:
        return None
    try:
        url = urlsplit(text)
        port = url.port
    except ValueError:
        raise ImproperlyConfigured(f"{_URL} is no URL of a mail server. {_FORM}") from None
    starttls = _starttls(url)
    if url.scheme not in _PORTS or not url.hostname or url.path not in ("", "/") or url.fragment:
        raise ImproperlyConfigured(f"{_URL} is no URL of a mail server. {_FORM}")
    if starttls and url.scheme == "smtps":
        raise ImproperlyConfigured(f"{_URL} asks for STARTTLS inside TLS: drop ?starttls, or write smtp://.")
    return Server(
        host=url.hostname,
        port=port or (_SUBMISSION if starttls else _PORTS[url.scheme]),
        user=unquote(url.username or ""),
        password=unquote(url.password or ""),
        implicit_tls=url.scheme == "smtps",
        starttls=starttls,
    )


def _starttls(url: SplitResult) -> bool:
    """Whether the URL asks for STARTTLS. Anything else behind the `?` is refused, so that no typing error hides."""
    options = dict(parse_qsl(url.query, keep_blank_values=True))
    if set(options) - {"starttls"} or options.get("starttls", "0") not in ("0", "1"):
        raise ImproperlyConfigured(f"{_URL} takes the option starttls=1 (or 0) and no other. {_FORM}")
    return options.get("starttls") == "1"


def sender(text: str) -> str:
    """The address that PACKMULE_MAIL_FROM names; a name beside it gives way to that of each product.

    Raises ImproperlyConfigured when it is no address.
    """
    if not _ADDRESS.fullmatch(parseaddr(text)[1]):
        raise ImproperlyConfigured(f"PACKMULE_MAIL_FROM is no e-mail address: '{text[:80]}'.")
    return text
