"""Writing a mail: the tenant's own text for its kind, or the platform's."""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from django.db import connection
from django.template import Context
from django.template.loader import get_template

from apps.accounts.mails.kinds import COMMON, Kind
from apps.accounts.mails.models import MailTemplate
from apps.accounts.mails.placeholders import fill, fill_html, holds_needed, one_line
from apps.accounts.signin.models import sign_in_settings

logger = logging.getLogger("packmule.mail")
_LINKS = ("http://", "https://")
#: What a paragraph leaves behind that has nothing to say.
_BLANK_LINES = re.compile(r"\n{3,}")


class Template(Protocol):
    """What a tenant writes itself: a MailTemplate, or the draft of one."""

    subject: str
    text: str
    html: str
    sender_name: str


@dataclass(frozen=True, slots=True)
class Written:
    """A mail as it will be read."""

    subject: str
    text: str
    html: str
    sender_name: str


def mail_brand() -> str:
    """The product in whose name the tenant that stands writes: as it is set, or the slug of its application.

    On the console that is Packmule. One query.
    """
    if named := sign_in_settings().product_name:
        return named
    name = str(getattr(connection.tenant, "name", ""))  # type: ignore[attr-defined]
    slug, separator, _environment = name.partition("/")
    return slug if separator else "Packmule"


def values_for(kind: Kind, to: str, context: Mapping[str, Any]) -> dict[str, str]:
    """The values of the placeholders of a mail to `to`.

    Raises ValueError when `context` has something that mails of this kind do not know, lacks what they need, or holds
    a link that is none: the mistakes of whoever sends it.
    """
    unknown = sorted(context.keys() - kind.samples.keys())
    if unknown:
        raise ValueError(f"A mail of kind {kind.name} knows no {unknown}; it takes {sorted(kind.samples)}.")
    given = {name: one_line(value) for name, value in context.items() if value is not None}
    if kind.needs and not any(given.get(name) for name in kind.needs):
        raise ValueError(f"A mail of kind {kind.name} needs one of {kind.needs}.")
    if given.get("link") and not given["link"].startswith(_LINKS):
        raise ValueError(f"The link of a mail of kind {kind.name} has to be absolute.")
    return {"product": mail_brand(), "email": one_line(to), **given}


def write(kind: Kind, values: Mapping[str, str], template: Template | None) -> Written:
    """The mail, by `template` where the tenant has one that shows what this mail is about."""
    if template is not None and _is_usable(kind, values, template):
        return _by_tenant(values, template)
    return _by_platform(kind, values, template.sender_name if template else "")


def template_of(kind: Kind) -> MailTemplate | None:
    """The standing tenant's own template for `kind`."""
    return MailTemplate.objects.filter(kind=kind.name).first()


def _is_usable(kind: Kind, values: Mapping[str, str], template: Template) -> bool:
    """False when the template holds, say, the link, and this mail has a code and no link."""
    bodies = [template.text, template.html] if template.html else [template.text]
    if all(holds_needed(kind, body, values) for body in bodies):
        return True
    logger.warning("the tenant's own template for %s shows nothing of what this mail needs", kind.name)
    return False


def _by_tenant(values: Mapping[str, str], template: Template) -> Written:
    text = fill(template.text, values)
    html = fill_html(template.html, values) if template.html else _template("plain.html", {"text": text})
    return Written(
        one_line(fill(template.subject, values)), text, html, template.sender_name or values["product"]
    )


def _by_platform(kind: Kind, values: Mapping[str, str], sender_name: str) -> Written:
    return Written(
        one_line(_template(f"{kind.name}.subject.txt", values)),
        _BLANK_LINES.sub("\n\n", _template(f"{kind.name}.txt", values)).strip() + "\n",
        _template(f"{kind.name}.html", values),
        sender_name or values["product"],
    )


def _template(name: str, values: Mapping[str, str]) -> str:
    """One of the platform's own templates; text is not escaped, HTML is."""
    context = Context({**dict.fromkeys(COMMON, ""), **values}, autoescape=name.endswith(".html"))
    return str(get_template(f"mail/{name}").template.render(context))  # type: ignore[attr-defined]
