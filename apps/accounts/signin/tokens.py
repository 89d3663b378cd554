"""The key in the link of a password reset: good once, for an hour, for one person of one tenant."""

from __future__ import annotations

from allauth.account.forms import EmailAwarePasswordResetTokenGenerator

from apps.accounts.models import User
from apps.tenancy.walls import current_tenant


class ResetTokens(EmailAwarePasswordResetTokenGenerator):  # type: ignore[misc]
    """Bound to the tenant too: the same person in another tenant may have the same id."""

    def _make_hash_value(self, user: User, timestamp: int) -> str:
        return f"{current_tenant().id}|{super()._make_hash_value(user, timestamp)}"
