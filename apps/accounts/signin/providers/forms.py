"""The form of who comes from a provider that does not say enough for an account."""

from __future__ import annotations

from typing import Any

from allauth.core import context
from allauth.socialaccount.forms import SignupForm

from apps.accounts.signin import invited


class SocialSignUpForm(SignupForm):  # type: ignore[misc]
    """Asks for an address; who takes an invitation does so with the one that it was sent to."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        invitation = invited.pending(context.request)
        if invitation is not None:
            self.fields["email"].disabled = True
            self.initial["email"] = invitation.email
