"""allauth's mails, as kinds of mail that a tenant can write itself."""

from __future__ import annotations

from typing import Any

from allauth.account.models import EmailAddress
from django.conf import settings
from django.http import HttpRequest

from apps.accounts.mails.sending import send as send_kind
from apps.accounts.models import User
from apps.accounts.signin import links
from apps.accounts.signin.circumstances import address_of, agent_of
from apps.accounts.signin.models import SignUp, sign_in_settings
from apps.core import clock

#: What a security notice says, by the name of allauth's notification.
NOTICES = {
    "account/email/password_changed": "Your password was changed.",
    "account/email/password_reset": "Your password was reset.",
    "account/email/password_set": "A password was set.",
    "account/email/email_deleted": "An e-mail address was removed.",
    "mfa/email/totp_activated": "An authenticator app was added.",
    "mfa/email/totp_deactivated": "The authenticator app was removed.",
    "mfa/email/webauthn_added": "A passkey was added.",
    "mfa/email/webauthn_removed": "A passkey was removed.",
    "mfa/email/recovery_codes_generated": "New recovery codes were made; the old ones work no more.",
    "socialaccount/email/account_connected": "An account of another provider was connected.",
    "socialaccount/email/account_disconnected": "An account of another provider was disconnected.",
}


def send(template_prefix: str, email: str, context: dict[str, Any]) -> None:
    """Send the mail that allauth calls `template_prefix`. Raises KeyError for one that it never sends here."""
    name = template_prefix.rpartition("/")[2]
    if name in ("email_confirmation", "email_confirmation_signup"):
        minutes = settings.ACCOUNT_EMAIL_VERIFICATION_BY_CODE_TIMEOUT // 60
        send_kind("confirm_email", email, {"code": context["code"], "minutes": minutes})
    elif name == "login_code":
        minutes = settings.ACCOUNT_LOGIN_BY_CODE_TIMEOUT // 60
        send_kind("sign_in_code", email, {"code": context["code"], "minutes": minutes})
    elif name == "password_reset_key":
        minutes = settings.PASSWORD_RESET_TIMEOUT // 60
        send_kind("reset_password", email, {"link": context["password_reset_url"], "minutes": minutes})
    elif name == "unknown_account":
        opened = sign_in_settings().open_to is SignUp.OPEN
        send_kind("unknown_account", email, {"link": links.page("account_signup") if opened else None})
    elif name == "account_already_exists":
        send_kind("account_exists", email, {"link": links.page("account_reset_password")})
    else:
        raise KeyError(template_prefix)


def notify(
    template_prefix: str, request: HttpRequest, user: User, context: dict[str, Any], email: str | None
) -> None:
    """Tell `user` what changed, at `email` or the primary address; people without one are told nothing."""
    to = email or EmailAddress.objects.get_primary_email(user) or user.email
    when = f"{clock.now():%d %B %Y, %H:%M} UTC"
    link = links.own_page("account_home")
    if template_prefix == "account/email/email_changed":
        send_kind("email_changed", to, {"new_email": context["to_email"], "when": when, "link": link})
        return
    where = {"ip": address_of(request), "device": agent_of(request)}
    send_kind("security_notice", to, {"what": NOTICES[template_prefix], "when": when, "link": link, **where})
