"""What goes in and out about mail templates."""

from apps.core.serializers import (
    BooleanField,
    CharField,
    IntegerField,
    ListField,
    NameField,
    Output,
    StrictSerializer,
    TimestampField,
)

_MAX_BODY = 50_000
_SUBJECT = "One line. May hold placeholders, but no link and no code: subjects are logged and shown on locked screens."
_TEXT = "The mail as plain text, with placeholders such as {{ product }}."
_HTML = "The mail as HTML; values of placeholders are escaped. Without it, the text is set as HTML."
_SENDER = "The name it comes from; by default the product's."


class MailTemplateInput(StrictSerializer):
    """The tenant's own text for one kind of mail."""

    subject = NameField(max_length=200, help_text=_SUBJECT)
    text = CharField(max_length=_MAX_BODY, help_text=_TEXT)
    html = CharField(max_length=_MAX_BODY, default="", allow_blank=True, help_text=_HTML)
    sender_name = NameField(default="", allow_blank=True, help_text=_SENDER)


class MailDraftInput(StrictSerializer):
    """A text to try out; without one, the text that is in use is shown."""

    subject = NameField(max_length=200, required=False, help_text=_SUBJECT)
    text = CharField(max_length=_MAX_BODY, required=False, help_text=_TEXT)
    html = CharField(max_length=_MAX_BODY, required=False, allow_blank=True, help_text=_HTML)
    sender_name = NameField(required=False, allow_blank=True, help_text=_SENDER)


class MailTemplateOutput(Output):
    """The text of one kind of mail. `id`, `version` and `created_at` are null while the platform's own is in use."""

    kind = CharField()
    about = CharField(help_text="When this mail is sent.")
    placeholders = ListField(child=CharField(), help_text="What the text may hold, as {{ name }}.")
    needs = ListField(child=CharField(), help_text="Placeholders of which the text has to hold one.")
    is_default = BooleanField(help_text="Whether the platform's own text is in use; it has no form to show.")
    id = CharField(source="public_id", allow_null=True)
    subject = CharField(allow_null=True)
    text = CharField(allow_null=True)
    html = CharField(allow_null=True)
    sender_name = CharField(allow_null=True)
    version = IntegerField(allow_null=True)
    created_at = TimestampField(allow_null=True)


class MailTemplatesOutput(Output):
    """Every kind of mail; one page."""

    data = MailTemplateOutput(many=True)  # type: ignore[assignment]
    next_cursor = CharField(allow_null=True)


class MailPreviewOutput(Output):
    """A mail as somebody would get it, with sample values."""

    kind = CharField()
    sender = CharField(help_text="The From header.")
    subject = CharField()
    text = CharField()
    html = CharField()
