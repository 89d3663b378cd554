"""What goes in and out about settings of sign-in, and about sessions."""

from __future__ import annotations

import re
from typing import Any

from apps.accounts.roles import ROLE_CHOICES
from apps.accounts.signin.models import METHODS, NewPeopleGet, SignUp
from apps.core.problems import show
from apps.core.serializers import (
    BooleanField,
    CharField,
    ChoiceField,
    IdField,
    IntegerField,
    ListField,
    NameField,
    Output,
    StrictSerializer,
    TimestampField,
)

_DOMAIN = re.compile(r"(?=.{4,253}\Z)([a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]{2,63}")
_MAX_HOURS = 90 * 24
_METHODS = [(name, name) for name in METHODS]
_GRANTED = [choice for choice in ROLE_CHOICES if choice[0] in ("viewer", "developer")]
_PAGE = "Absolute and https (http on localhost where the tenant is not protected); '' for the platform's own page."


class DomainField(CharField):
    """A domain of e-mail addresses."""

    def to_internal_value(self, data: Any) -> str:
        if not _DOMAIN.fullmatch(data):
            self.refuse(
                "invalid_domain", f"{show(data)} is no domain; write it like example.com, in lower case."
            )
        return str(data)


class SignInSettingsPatch(StrictSerializer):
    """What to change about how people get in; what is not sent stays."""

    sign_up = ChoiceField(choices=SignUp.choices, required=False, help_text="Who may make an account.")
    new_people_get = ChoiceField(
        choices=NewPeopleGet.choices, required=False, help_text="The organization that who signs up gets."
    )
    shared_organization = IdField(
        "org",
        required=False,
        allow_null=True,
        help_text="With `shared`: the one in which everybody gets a seat.",
    )
    shared_role = ChoiceField(choices=_GRANTED, required=False, help_text="With `shared`: the role there.")
    email_domains = ListField(
        child=DomainField(max_length=253),
        max_length=100,
        required=False,
        help_text="Only addresses of these domains may sign up; none means all. Who is invited always may.",
    )
    methods = ListField(
        child=ChoiceField(choices=_METHODS),
        min_length=1,
        max_length=len(METHODS),
        required=False,
        help_text="The ways to sign in that are offered.",
    )
    second_factor_for = ListField(
        child=ChoiceField(choices=ROLE_CHOICES),
        max_length=len(ROLE_CHOICES),
        required=False,
        help_text="Roles whose holders can do nothing but set up a second factor until they have one.",
    )
    session_hours = IntegerField(
        min_value=1, max_value=_MAX_HOURS, required=False, help_text="How long somebody stays signed in."
    )
    product_name = NameField(
        max_length=60, required=False, allow_blank=True, help_text="In mails and authenticator apps."
    )
    home_url = CharField(
        required=False, allow_blank=True, help_text=f"Where people go from our pages. {_PAGE}"
    )
    sign_up_url = CharField(required=False, allow_blank=True, help_text=f"Your page to sign up. {_PAGE}")
    reset_password_url = CharField(
        required=False, allow_blank=True, help_text=f"Your page to ask for a new password. {_PAGE}"
    )
    new_password_url = CharField(
        required=False, allow_blank=True, help_text=f"Your page to choose one; holds {{key}}. {_PAGE}"
    )
    invitation_url = CharField(
        required=False, allow_blank=True, help_text=f"Your page of an invitation; holds {{token}}. {_PAGE}"
    )
    error_url = CharField(
        required=False, allow_blank=True, help_text=f"Where a failed sign-in elsewhere ends. {_PAGE}"
    )


class SignInSettingsOutput(Output):
    """How people get in."""

    sign_up = ChoiceField(choices=SignUp.choices, source="open_to")
    new_people_get = ChoiceField(choices=NewPeopleGet.choices)
    shared_organization = IdField("org", source="shared_organization_id", allow_null=True)
    shared_role = CharField()
    email_domains = ListField(child=CharField())
    methods = ListField(child=CharField())
    second_factor_for = ListField(child=CharField())
    session_hours = IntegerField()
    product_name = CharField()
    home_url = CharField()
    sign_up_url = CharField()
    reset_password_url = CharField()
    new_password_url = CharField()
    invitation_url = CharField()
    error_url = CharField()
    version = IntegerField()


class SessionOutput(Output):
    """One session: where somebody is signed in."""

    id = CharField(help_text="It opens nothing; whoami shows the same for the session that calls.")
    ip = CharField()
    user_agent = CharField()
    current = BooleanField(help_text="Whether it is the one that calls.")
    created_at = TimestampField()
    last_seen_at = TimestampField(help_text="Kept to the minute.")
    expires_at = TimestampField()


class SessionsOutput(Output):
    """All sessions; one page, the newest first."""

    data = SessionOutput(many=True)  # type: ignore[assignment]
    next_cursor = CharField(allow_null=True)


class EndedOutput(Output):
    """How many sessions ended."""

    ended = IntegerField()
