"""Whether a text will do as a template: known placeholders only, and what the mail is for is in it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from apps.accounts.mails.kinds import Kind
from apps.accounts.mails.placeholders import holds_needed, malformed_in, names_in
from apps.core.problems import FieldError, ValidationFailed, show

#: Subjects are written into logs and shown on locked screens.
_NOT_IN_SUBJECTS = frozenset({"link", "code"})


def check_template(kind: Kind, texts: Mapping[str, str]) -> None:
    """Raise ValidationFailed, with what is wrong field by field, unless `texts` will do for `kind`."""
    errors = [error for name in ("subject", "text", "html") for error in _check(kind, name, texts[name])]
    if not texts["text"].strip():
        errors.append(FieldError("text", "blank", "A mail needs a text; the HTML alone is not enough."))
    if not texts["subject"].strip():
        errors.append(FieldError("subject", "blank", "A mail needs a subject."))
    if errors:
        raise ValidationFailed(errors[0].detail, errors=errors)


def _check(kind: Kind, field: str, text: str) -> Iterator[FieldError]:
    allowed = kind.samples.keys() - (_NOT_IN_SUBJECTS if field == "subject" else set())
    known = ", ".join(f"{{{{ {name} }}}}" for name in sorted(allowed))
    malformed = malformed_in(text)
    if malformed:
        yield FieldError(
            field, "malformed_placeholder", f"{show(malformed)} is no placeholder. Known here are: {known}."
        )
    for name in sorted(names_in(text) - allowed):
        yield FieldError(
            field, "unknown_placeholder", f"{{{{ {name} }}}} has no place here. Known here are: {known}."
        )
    if text and field != "subject" and not holds_needed(kind, text):
        wanted = " or ".join(f"{{{{ {name} }}}}" for name in kind.needs)
        yield FieldError(
            field, "missing_placeholder", f"A mail of this kind is of no use without {wanted} in it."
        )
