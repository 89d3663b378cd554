"""Sending: written now, inside the tenant; handed over when what it tells of is committed."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from email.utils import formataddr, parseaddr
from typing import Any

from allauth.core import context as allauth_context
from django.conf import settings
from django.core.mail import EmailMultiAlternatives
from django.db import connection

from apps.accounts.mails import store
from apps.accounts.mails.kinds import KINDS
from apps.accounts.mails.rendering import template_of, values_for, write
from apps.core.commits import after_commit

logger = logging.getLogger("packmule.mail")


class TenantMail(EmailMultiAlternatives):
    """A mail that knows of which tenant it is, for whoever keeps it."""

    tenant_name: str = ""


def send(kind: str, to: str, context: Mapping[str, Any]) -> None:
    """Send a mail of `kind` (see kinds.KINDS) to `to`, when the present transaction is committed.

    `context` holds values for the kind's placeholders, and no others. It is written in the words of the tenant that
    stands. Raises KeyError for a kind that there is not and ValueError for a context that does not fit, never for a
    mail server: what that refuses is logged and kept among the unsent.
    """
    known = KINDS[kind]
    written = write(known, values_for(known, to, context), template_of(known))
    mail = TenantMail(written.subject, written.text, from_header(written.sender_name), [to])
    mail.attach_alternative(written.html, "text/html")
    mail.tenant_name = str(getattr(connection.tenant, "name", ""))  # type: ignore[attr-defined]
    request_id = str(getattr(allauth_context.request, "request_id", "-"))
    after_commit(_hand_over, mail, kind, request_id)


def from_header(sender_name: str) -> str:
    """The From header: the installation's address under the name in which the tenant writes."""
    return formataddr((sender_name, parseaddr(settings.DEFAULT_FROM_EMAIL)[1]))


def _hand_over(mail: TenantMail, kind: str, request_id: str) -> None:
    try:
        mail.send()
    except Exception as failure:  # noqa: BLE001 - whatever a mail server does, the operation stands
        kept = store.keep("unsent", mail)
        logger.error(  # noqa: TRY400 - a stack trace could hold the mail
            "mail not sent: %s to %s, request %s, %s; kept as %s",
            kind,
            mail.to[0],
            request_id,
            _why(failure),
            kept or "nothing: the disk refused it too",
        )


def _why(failure: Exception) -> str:
    """The failure in one line: its kind and what the server said, which is about the addresses and not the body."""
    return f"{type(failure).__name__}: {' '.join(str(failure).split())[:200]}"
