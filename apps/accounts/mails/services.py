"""Operations on mail templates: the tenant's own texts for the mails that its people get."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from django.db import IntegrityError, transaction

from apps.accounts.configuring import require_configurer, require_no_agent
from apps.accounts.mails import serializers as forms
from apps.accounts.mails.checking import check_template
from apps.accounts.mails.errors import MailKindUnknown, MailTemplateIsDefault
from apps.accounts.mails.kinds import KINDS, Kind
from apps.accounts.mails.models import MailTemplate
from apps.accounts.mails.rendering import mail_brand, template_of, write
from apps.accounts.mails.sending import from_header
from apps.core.actor import Actor
from apps.core.etags import check_version
from apps.core.operations import Risk, operation
from apps.core.problems import Conflict, show

#: What If-Match is held against while there is no row: a version that no row ever has.
_NONE_YET = 0


@dataclass(frozen=True, slots=True)
class Text:
    """The text of one kind of mail that is in use: the tenant's own, or (all None) the platform's."""

    kind: str
    about: str
    placeholders: list[str]
    needs: list[str]
    is_default: bool
    public_id: str | None = None
    subject: str | None = None
    text: str | None = None
    html: str | None = None
    sender_name: str | None = None
    version: int | None = None
    created_at: datetime | None = None

    @classmethod
    def of(cls, kind: Kind, own: MailTemplate | None) -> Text:
        """The text for `kind`, where `own` is the tenant's row."""
        about = (kind.name, kind.about, sorted(kind.samples), list(kind.needs), own is None)
        if own is None:
            return cls(*about)
        return cls(
            *about,
            own.public_id,
            own.subject,
            own.text,
            own.html,
            own.sender_name,
            own.version,
            own.created_at,
        )


@dataclass(slots=True)
class Draft:
    """A template that is not kept."""

    subject: str = ""
    text: str = ""
    html: str = ""
    sender_name: str = ""


@operation(
    "mail_templates.list",
    scope="mail-templates:read",
    risk=Risk.READ,
    output=forms.MailTemplatesOutput,
)
def list_mail_templates(actor: Actor) -> dict[str, Any]:
    """List every kind of mail with its placeholders, and the tenant's own text where there is one."""
    require_configurer(actor)
    own = {template.kind: template for template in MailTemplate.objects.all()}
    return {
        "data": [asdict(Text.of(kind, own.get(name))) for name, kind in KINDS.items()],
        "next_cursor": None,
    }


@operation("mail_templates.get", scope="mail-templates:read", risk=Risk.READ, output=forms.MailTemplateOutput)
def get_mail_template(actor: Actor, *, kind: str) -> Text:
    """Read the tenant's own text for one kind of mail, or that the platform's is in use."""
    require_configurer(actor)
    known = find_kind(kind)
    return Text.of(known, template_of(known))


@operation(
    "mail_templates.put",
    scope="mail-templates:write",
    risk=Risk.SECRET,
    input=forms.MailTemplateInput,
    output=forms.MailTemplateOutput,
    versioned=True,
    event="mail_template.updated",
)
def put_mail_template(
    actor: Actor, /, *, kind: str, expected_version: int | None = None, **texts: str
) -> Text:
    """Write the tenant's own text for one kind of mail; it replaces the whole of what was there.

    Placeholders look like `{{ product }}`. Ones that this kind does not know are refused with those that it does, and a
    mail that exists for its link or code has to hold one, and in a protected environment no agent writes it. Scripts
    and logic are no part of it.
    """
    require_configurer(actor)
    known = find_kind(kind)
    require_no_agent(actor, *([f"the mail {kind}"] if known.opens_something else []))
    check_template(known, texts)
    row = MailTemplate.objects.select_for_update().filter(kind=kind).first()
    check_version(expected_version, row.version if row else _NONE_YET)
    return Text.of(known, row.apply(dict(texts)) if row else _created(kind, texts))


@operation(
    "mail_templates.delete",
    scope="mail-templates:write",
    risk=Risk.DESTRUCTIVE,
    versioned=True,
)
def delete_mail_template(actor: Actor, *, kind: str, expected_version: int | None = None) -> MailTemplate:
    """Delete the tenant's own text for one kind of mail: the platform's is sent from now on."""
    require_configurer(actor)
    find_kind(kind)
    row = MailTemplate.objects.select_for_update().filter(kind=kind).first()
    if row is None:
        raise MailTemplateIsDefault
    check_version(expected_version, row.version)
    kept = MailTemplate(id=row.id, kind=row.kind)
    row.delete()
    return kept


@operation(
    "mail_templates.preview",
    scope="mail-templates:read",
    risk=Risk.READ,
    input=forms.MailDraftInput,
    output=forms.MailPreviewOutput,
)
def preview_mail(actor: Actor, /, *, kind: str, **draft: str) -> dict[str, str]:
    """Show a mail as somebody would get it, with sample values: the text that is in use, or a draft of yours.

    A draft needs a subject and a text; it is checked as if it were put, and neither kept nor sent.
    """
    require_configurer(actor)
    known = find_kind(kind)
    template: MailTemplate | Draft | None = template_of(known)
    if draft:
        template = Draft(**draft)
        check_template(known, asdict(template))
    written = write(known, {**known.samples, "product": mail_brand()}, template)
    return {"kind": kind, "sender": from_header(written.sender_name), **_shown(written)}


def _shown(written: Any) -> dict[str, str]:
    return {"subject": written.subject, "text": written.text, "html": written.html}


def find_kind(name: str) -> Kind:
    """The kind of mail called `name`. Raises MailKindUnknown."""
    if name not in KINDS:
        raise MailKindUnknown(f"There is no mail {show(name)}. There are: {', '.join(KINDS)}.")
    return KINDS[name]


def _created(kind: str, texts: dict[str, str]) -> MailTemplate:
    try:
        with transaction.atomic():
            return MailTemplate.objects.create(kind=kind, **texts)
    except IntegrityError:
        raise Conflict(
            f"Somebody else wrote the first text for {kind} at this moment.", code="mail_template_exists"
        ) from None
