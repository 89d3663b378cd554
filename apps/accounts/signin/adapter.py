"""What this platform decides in allauth's flows: who may sign up, how often anybody tries, and what is recorded."""

from __future__ import annotations

from typing import Any

from allauth.account.adapter import DefaultAccountAdapter
from allauth.account.internal.stagekit import clear_login
from allauth.account.models import EmailAddress
from allauth.core.internal.ratelimit import RateLimitUsage
from django.contrib import messages
from django.contrib.auth.hashers import make_password
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.crypto import get_random_string

from apps.accounts import hooks
from apps.accounts.models import User
from apps.accounts.signin import invited, lifetime, limits, links, mailing, trail
from apps.accounts.signin.circumstances import address_of, newest_way_of, ways_of
from apps.accounts.signin.models import METHODS, SignUp, sign_in_settings
from apps.accounts.signouts import end_sign_ins
from apps.tenancy.walls import current_schema

_WORDS = {
    "email_password_mismatch": "E-mail and password do not belong together.",
    "incorrect_code": "That is not the right code.",
    "incorrect_password": "That is not your password.",
    "enter_current_password": "That is not your present password.",
    "too_many_login_attempts": "That was tried too often. Wait a minute, or sign in another way.",
    "email_taken": "Somebody has an account with this address already.",
    "method_off": "People do not sign in this way here. Use one of the others that are offered.",
    "not_invited": "Only people who were invited may sign up here, with the address that they were invited by.",
    "domain_not_allowed": "Only addresses of the organizations that this product is for may sign up here.",
}
#: The names of the pages, and of the headless API's calls, for a forgotten password.
_RESETS = frozenset({"account_reset_password", "request_password_reset"})


class AccountAdapter(DefaultAccountAdapter):  # type: ignore[misc]
    """Sign-up, sign-in and what people change about their account, recorded as operations of the tenant."""

    error_messages = DefaultAccountAdapter.error_messages | _WORDS
    #: The try of a password that is being made, as it was counted for its account.
    _anywhere: RateLimitUsage | None = None

    def is_open_for_signup(self, request: HttpRequest) -> bool:
        """Say whether this caller may make an account: by the tenant's settings, and whether they were invited."""
        if not current_schema():
            return False
        if sign_in_settings().open_to is SignUp.OPEN:
            return True
        return sign_in_settings().open_to is SignUp.INVITED and invited.pending(request) is not None

    def clean_email(self, email: str) -> str:
        """Refuse to sign up or to take an address outside of the tenant's own domains, unless it was invited."""
        if _is_reset(self.request):
            return email
        wanted, invitation = sign_in_settings(), invited.pending(self.request)
        # Asked again once the invitation is taken, when the address is written.
        if email.lower() in (invitation and invitation.email, invited.joined(self.request)):
            return email
        if wanted.open_to is SignUp.INVITED and not self.request.user.is_authenticated:
            raise self.validation_error("not_invited")
        if wanted.email_domains and email.lower().rpartition("@")[2] not in wanted.email_domains:
            raise self.validation_error("domain_not_allowed")
        return email

    def save_user(self, request: HttpRequest, user: User, form: Any, commit: bool = True) -> User:
        """Fill `user` from the form; when it is saved, the rooms above add what belongs to a new person."""
        super().save_user(request, user, form, commit=False)
        user.email = user.email.lower()
        if commit:
            trail.record(trail.sign_up, request, user, made=lambda: make_person(request, user))
        return user

    def is_email_verified(self, request: HttpRequest, email: str) -> bool:
        """True for the address that an invitation was sent to: who holds its token has read the mail."""
        return invited.joined(request) == email.lower()

    def get_client_ip(self, request: HttpRequest) -> str:
        """The client's address, of which proxies that nobody trusts decide nothing."""
        return address_of(request)

    def pre_authenticate(self, request: HttpRequest, **credentials: Any) -> None:
        """Refuse a password where nobody signs in with one, and the try that is one too many.

        Who is signed in may prove with it who they are all the same.
        """
        if not request.user.is_authenticated and "password" not in sign_in_settings().methods:
            raise self.validation_error("method_off")
        super().pre_authenticate(request, **credentials)
        self._anywhere = limits.take_failure(request, _login_of(credentials))
        if not self._anywhere:
            raise self.validation_error("too_many_login_attempts")

    def authentication_failed(self, request: HttpRequest, **credentials: Any) -> None:
        """Record that somebody failed to sign in as a person that there is."""
        user = User.objects.filter(email=_login_of(credentials)).first()
        if user is not None:
            trail.record(trail.refuse_session, request, user, reason="wrong password")

    def pre_login(self, request: HttpRequest, user: User, **kwargs: Any) -> HttpResponse | None:
        """Refuse who is suspended, and a way in that this tenant does not offer."""
        response: HttpResponse | None = super().pre_login(request, user, **kwargs)
        if response is not None or kwargs.get("signup"):
            return response
        way = newest_way_of(request, user)
        if way in METHODS and way not in sign_in_settings().methods:
            clear_login(request)
            self.add_message(request, messages.ERROR, message=_WORDS["method_off"])
            return redirect("account_login")
        return None

    def login(self, request: HttpRequest, user: User) -> None:
        """Begin the session under a new key, with the tenant's lifetime, and record it."""
        ways = ways_of(request, user)
        with transaction.atomic():
            super().login(request, user)
            lifetime.limit(request)
            request.session.save()
            trail.record(trail.start_session, request, user, reason=f"by {' and '.join(ways) or 'sign-up'}")

    def logout(self, request: HttpRequest) -> None:
        """End the session, and record it."""
        if request.user.is_authenticated:
            trail.record(trail.end_session, request, request.user, reason="signed out")
        super().logout(request)

    def set_password(self, user: User, password: str) -> None:
        """Write the password, which ends the sessions begun with the old one, and what hangs on them.

        Who chooses one by the link in a mail has confirmed the address that it was sent to.
        """
        own = getattr(self.request, "user", None) == user
        reason = "changed by its owner" if own else "reset by a link from a mail"

        def write() -> User:
            super(AccountAdapter, self).set_password(user, password)
            end_sign_ins(user, keep=self.request.session.session_key if own else None)
            if not own:
                EmailAddress.objects.filter(user=user, email=user.email).update(verified=True)
            return user

        trail.record(trail.set_password, self.request, user, reason=reason, made=write)

    def confirm_email(self, request: HttpRequest, email_address: EmailAddress) -> bool:
        """Make a confirmed address the person's only one; a change of it is recorded."""
        person: User = email_address.user
        if not email_address.pk or email_address.email != person.email:
            with transaction.atomic():
                done: bool = super().confirm_email(request, email_address)
                if done:
                    trail.record(trail.change_email, request, person)
                return done
        return bool(super().confirm_email(request, email_address))

    def send_mail(self, template_prefix: str, email: str, context: dict[str, Any]) -> None:
        """Send what allauth would, as a kind of mail that tenants can write themselves; not too often."""
        limits.take_mail(self.request, email)
        mailing.send(template_prefix, email, context)

    def send_account_already_exists_mail(self, email: str) -> None:
        """Tell the owner of the address; hash a password meanwhile, which is what a new account would take."""
        limits.take_mail(self.request, email)
        make_password(get_random_string(20))
        mailing.send("account/email/account_already_exists", email, {})

    def send_notification_mail(
        self,
        template_prefix: str,
        user: User,
        context: dict[str, Any] | None = None,
        email: str | None = None,
    ) -> None:
        """Tell people what changed about how they sign in, and record what no other hook tells of."""
        trail.note_factor(self.request, user, template_prefix)
        mailing.notify(template_prefix, self.request, user, context or {}, email)

    def get_login_redirect_url(self, request: HttpRequest) -> str:
        """Where people go once they are in: the console's admin, the product's own page, or their account."""
        return links.home(request)

    get_signup_redirect_url = get_login_redirect_url

    def get_password_change_redirect_url(self, request: HttpRequest) -> str:  # noqa: ARG002
        """Where people go with their new password: back to their account."""
        return reverse("account_home")

    def _get_login_attempts_cache_key(self, request: HttpRequest, **credentials: Any) -> str:
        """Count the failures of an account by where they come from, or strangers could lock people out."""
        return limits.from_here(request, _login_of(credentials))

    def _rollback_login_failed_rl_usage(self) -> None:
        super()._rollback_login_failed_rl_usage()
        if self._anywhere is not None:
            self._anywhere.rollback()

    def _delete_login_attempts_cached_email(self, request: HttpRequest, **credentials: Any) -> None:
        super()._delete_login_attempts_cached_email(request, **credentials)
        limits.forget_failures(request, _login_of(credentials))


def _is_reset(request: HttpRequest) -> bool:
    """True where allauth asks about the address of a forgotten password, by the same hook as at sign-up."""
    return request.resolver_match is not None and request.resolver_match.url_name in _RESETS


def _login_of(credentials: dict[str, Any]) -> str:
    return str(credentials.get("email", "")).strip().lower()


def make_person(request: HttpRequest, user: User) -> User:
    """Save the new person, with the seat that they were invited to, or what everybody gets who signs up here."""
    user.save()
    if not invited.join(request, user):
        hooks.signed_up(user)
    return user
