"""What this platform decides in allauth's flows of other accounts: which there are, who gets in, what is recorded."""

# ruff: noqa: ARG002 - the signatures are allauth's
from __future__ import annotations

import logging
from copy import copy
from typing import Any
from uuid import UUID

from allauth.socialaccount.adapter import DefaultSocialAccountAdapter
from allauth.socialaccount.models import SocialApp, SocialLogin
from allauth.socialaccount.providers.base.constants import AuthError
from django.core.exceptions import PermissionDenied
from django.db.models import Model
from django.db.models.expressions import DatabaseDefault
from django.http import HttpRequest
from requests import Session

from apps.accounts.mails.placeholders import one_line
from apps.accounts.models import User
from apps.accounts.signin import invited, mailing, trail
from apps.accounts.signin.adapter import make_person
from apps.accounts.signin.providers.dialogue import SECONDS
from apps.accounts.signin.providers.failures import UNREADABLE, ProviderFailed
from apps.accounts.signin.providers.models import SignInProvider
from apps.accounts.signin.providers.offers import App, Offer, offer_of
from apps.core import outbound

logger = logging.getLogger("packmule.signin")
_LONGEST_NAME = 120
_VERBS = {
    "socialaccount/email/account_connected": trail.connect_account,
    "socialaccount/email/account_disconnected": trail.disconnect_account,
}
_BEGUN_ELSEWHERE = (
    "It was begun in another browser or window, was used already, or took longer than ten minutes."
)
_REFUSED = "It refused. Perhaps it does not know this product any more; those who run it can find out."
_NOT_OFFERED = "Signing in with it is not offered here at the moment."


class SocialAdapter(DefaultSocialAccountAdapter):  # type: ignore[misc]
    """Providers are the rows of the tenant that stands, and calls to them go out by apps.core.outbound."""

    def list_apps(
        self, request: HttpRequest, provider: str | None = None, client_id: str | None = None
    ) -> list[App]:
        """The clients with which people can sign in now, of the one slug `provider` where it is named."""
        rows = SignInProvider.objects.offered().order_by("name", "id")
        rows = rows.filter(slug=provider) if provider else rows
        return [App(row) for row in (rows.filter(client_id=client_id) if client_id else rows)]

    def get_app(self, request: HttpRequest, provider: str, client_id: str | None = None) -> App:
        """The client of the slug `provider`, offered or not: what people connected is shown either way.

        Raises SocialApp.DoesNotExist.
        """
        rows = SignInProvider.objects.filter(slug=provider)
        row = (rows.filter(client_id=client_id) if client_id else rows).first()
        if row is None:
            raise SocialApp.DoesNotExist
        return App(row)

    def list_providers(self, request: HttpRequest) -> list[Offer]:
        """What a sign-in page offers."""
        return [offer_of(request, app.row) for app in self.list_apps(request)]

    def get_provider(self, request: HttpRequest, provider: str, client_id: str | None = None) -> Offer:
        """The provider of that slug, offered or not. Raises SocialApp.DoesNotExist."""
        return offer_of(request, self.get_app(request, provider, client_id).row)

    def get_requests_session(self) -> Session:
        """How allauth calls providers."""
        return outbound.session(seconds=SECONDS)

    def can_authenticate_by_email(self, login: SocialLogin, email: str) -> bool:
        """Never: an account belongs to whom it is connected with, and no provider's word about an address opens it."""
        return False

    def pre_social_login(self, request: HttpRequest, sociallogin: SocialLogin) -> None:
        """Forget the provider's token before anything is kept of the sign-in."""
        sociallogin.token = None

    def populate_user(self, request: HttpRequest, sociallogin: SocialLogin, data: dict[str, Any]) -> User:
        """Give the new person a name, and the one address that the provider vouches for most."""
        user: User = sociallogin.user
        known = sociallogin.email_addresses
        best = max(known, key=lambda address: (address.verified, address.primary), default=None)
        sociallogin.email_addresses = [best] if best else []
        user.email = best.email.lower() if best else ""
        parts = data.get("first_name"), data.get("last_name")
        named = data.get("name") or " ".join(part for part in parts if part) or data.get("username") or ""
        user.name = one_line(named)[:_LONGEST_NAME]
        return user

    def is_open_for_signup(self, request: HttpRequest, sociallogin: SocialLogin) -> bool:
        """As for everybody, and only while the provider is offered: somebody may be asked for an address meanwhile."""
        opened = super().is_open_for_signup(request, sociallogin)
        return bool(opened and sociallogin.provider.is_offered())

    def is_auto_signup_allowed(self, request: HttpRequest, sociallogin: SocialLogin) -> bool:
        """False where another address was invited: then the person is asked for one.

        They are as well where theirs may not sign up here; allauth has dropped such addresses already.
        """
        invitation = invited.pending(request)
        addresses = [known.email for known in sociallogin.email_addresses]
        return invitation is None or invitation.email in addresses

    def save_user(self, request: HttpRequest, sociallogin: SocialLogin, form: Any = None) -> User:
        """Make the new person, with the account by which they came, as one recorded operation."""
        user: User = sociallogin.user
        user.set_unusable_password()
        if form is not None:
            user.email = form.cleaned_data["email"].lower()
        sociallogin.email_addresses = [
            known for known in sociallogin.email_addresses if known.email == user.email
        ]

        def made() -> User:
            make_person(request, user)
            sociallogin.save(request)
            return user

        reason = f"with an account of {sociallogin.provider.name}"
        trail.record(trail.sign_up, request, user, reason=reason, made=made)
        return user

    def send_notification_mail(
        self, template_prefix: str, user: User, context: dict[str, Any], email: str | None = None
    ) -> None:
        """Record that an account was connected or disconnected, with whose it is, and tell the person."""
        provider = context["provider"].name
        trail.record(_VERBS[template_prefix], self.request, user, reason=f"account of {provider}")
        mailing.notify(template_prefix, self.request, user, context, email)

    def on_authentication_error(
        self,
        request: HttpRequest,
        provider: Any,
        error: str | None = None,
        exception: Exception | None = None,
        extra_context: dict[str, Any] | None = None,
    ) -> None:
        """Log why, and tell the page what to say to the person."""
        if error == AuthError.CANCELLED:
            return
        name = getattr(provider, "name", "")
        logger.warning("sign-in with %s failed: %s", name, _logged(exception, extra_context))
        if extra_context is not None:
            extra_context["why"] = _said(exception, extra_context)

    def serialize_instance(self, instance: Model) -> dict[str, Any]:
        """As allauth does it, without what the database fills in when the row is saved."""
        known = copy(instance)
        for name, value in vars(instance).items():
            if isinstance(value, DatabaseDefault):
                delattr(known, name)
        return dict(super().serialize_instance(known))

    def deserialize_instance(self, model: type[Model], data: Any) -> Any:
        """As allauth does it, with the ids as they are."""
        made = super().deserialize_instance(model, data)
        if isinstance(made, User):
            made.id = UUID(str(made.id))
        return made


def _said(exception: Exception | None, context: dict[str, Any]) -> str:
    if isinstance(exception, ProviderFailed):
        return exception.said
    if isinstance(exception, PermissionDenied):
        return _NOT_OFFERED
    if exception is not None:
        return UNREADABLE
    return _BEGUN_ELSEWHERE if "state_id" in context else _REFUSED


def _logged(exception: Exception | None, context: dict[str, Any] | None) -> str:
    """What the log says. Texts of others' exceptions hold what a provider answered, so only ours are repeated."""
    if isinstance(exception, ProviderFailed):
        return str(exception)
    if exception is not None:
        return type(exception).__name__
    return "no such state" if "state_id" in (context or {}) else "the provider says so"
