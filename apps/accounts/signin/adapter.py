"""How people sign up: allauth's adapter, and what this platform adds to it."""

from __future__ import annotations

from typing import Any

from allauth.account.adapter import DefaultAccountAdapter
from django.conf import settings
from django.db import connection, transaction
from django.http import HttpRequest

from apps.accounts import hooks
from apps.accounts.models import User


class AccountAdapter(DefaultAccountAdapter):  # type: ignore[misc]
    """Sign-up makes the person and what belongs to them in one transaction, and is closed on the console by default."""

    def is_open_for_signup(self, request: HttpRequest) -> bool:  # noqa: ARG002
        """True in environments, whose product lets its customers in; on the console by PACKMULE_OPEN_SIGNUP."""
        kind = getattr(connection.tenant, "kind", "")  # type: ignore[attr-defined]
        return kind == "environment" or (kind == "console" and settings.PACKMULE_OPEN_SIGNUP)

    def save_user(self, request: HttpRequest, user: User, form: Any, commit: bool = True) -> User:
        """Fill `user` from the form; when it is saved, the rooms above add what belongs to a new person."""
        with transaction.atomic():
            super().save_user(request, user, form, commit=False)
            user.email = user.email.lower()
            if commit:
                user.save()
                hooks.signed_up(user)
        return user
