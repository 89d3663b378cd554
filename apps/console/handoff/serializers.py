"""What goes in and out of the calls about hand-offs."""

from __future__ import annotations

from typing import Any

from rest_framework.exceptions import ValidationError

from apps.console.handoff.addresses import FIRST_PAGE, is_page
from apps.core.serializers import CharField, IdField, Output, StrictSerializer, TimestampField

_NONCE_LENGTH = 64


class OpenInput(StrictSerializer):
    """Opening an environment's admin."""

    nonce = CharField(
        min_length=_NONCE_LENGTH,
        max_length=_NONCE_LENGTH,
        help_text="The SHA-256, in hexadecimal, of a secret that the environment's host gave to the browser.",
    )
    page = CharField(
        max_length=500, default=FIRST_PAGE, help_text="Which page of the environment's admin to begin with."
    )
    reason = CharField(
        max_length=500,
        required=False,
        allow_blank=True,
        help_text="Why; a protected environment insists on it.",
    )

    def validate_nonce(self, value: str) -> str:
        """Only the digits of a hash."""
        if not set(value) <= set("0123456789abcdef"):
            raise ValidationError("This is no SHA-256 in lower-case hexadecimal digits.")
        return value

    def validate_page(self, value: str) -> str:
        """Only pages of the admin: no other host, and nothing outside of /admin/."""
        if not is_page(value):
            raise ValidationError("This is no page below /admin/.")
        return value


class OpenedOutput(Output):
    """The way into an environment's admin, for one browser and one minute."""

    id = IdField("hof", source="hand_off.id")
    tenant = CharField(source="hand_off.name")
    url = CharField(
        help_text="Where the browser goes on. It works once, and only with that browser's secret."
    )
    code_expires_at = TimestampField(source="hand_off.code_expires_at")
    expires_at = TimestampField(source="hand_off.expires_at")


class OpenerOutput(Output):
    """Who opened it, as known then."""

    id = IdField("usr", source="user_id")
    name = CharField(source="user_name")


class HandOffOutput(Output):
    """A person of the console in the admin of an environment."""

    id = IdField("hof")
    tenant = CharField(source="name", help_text="The environment.")
    person: Any = OpenerOutput(source="*")
    status = CharField(
        help_text="waiting (for its code to be used), open, expired, closed (with the session in the console), "
        "signed_out, replaced or revoked."
    )
    reason = CharField()
    created_at = TimestampField()
    entered_at = TimestampField(allow_null=True)
    expires_at = TimestampField()
    ended_at = TimestampField(allow_null=True)
