"""What is refused about mail templates."""

from apps.core.problems import NotFound


class MailKindUnknown(NotFound):
    """There are a few kinds of mail, each with its name, and this is none of them."""

    code, title = "mail_kind_unknown", "There is no such kind of mail"
    advice = "List them with GET /v1/mail-templates."


class MailTemplateIsDefault(NotFound):
    """The tenant has no text of its own for this kind of mail."""

    code, title = "mail_template_is_default", "The platform's own text is in use"
    advice = "PUT a text first; there is nothing to delete until then."
