"""The kinds of mail that people get, with the placeholders that each one's templates may use."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

#: What every mail knows without being told: the product's name, and the address it goes to.
COMMON = {"product": "Menugen", "email": "ada@example.com"}
_LINK = {"link": "https://production--menugen.example.com/accounts/…"}
_CODE = {"code": "K7Q-4MX"}
_MINUTES = {"minutes": "15"}


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of mail. `own` are its placeholders beside COMMON, each with a sample.

    A mail of a kind that `needs` something is worth nothing without one of these: its templates have to hold one, and
    whoever sends it has to give one.
    """

    name: str
    about: str
    own: Mapping[str, str] = field(default_factory=dict)
    needs: tuple[str, ...] = ()

    @property
    def opens_something(self) -> bool:
        """True for a mail that exists for its link or code: whoever reads that gets in."""
        return not {"link", "code"}.isdisjoint(self.needs)

    @property
    def samples(self) -> dict[str, str]:
        """Every placeholder with a sample value."""
        return {**COMMON, **self.own}


KINDS = {
    kind.name: kind
    for kind in (
        Kind(
            "confirm_email",
            "Confirms that an address belongs to whoever gave it.",
            {**_LINK, **_CODE, **_MINUTES},
            ("link", "code"),
        ),
        Kind("sign_in_code", "Signs somebody in without a password.", {**_CODE, **_MINUTES}, ("code",)),
        Kind(
            "reset_password",
            "Lets somebody choose a new password.",
            {**_LINK, **_CODE, **_MINUTES},
            ("link", "code"),
        ),
        Kind(
            "unknown_account",
            "Somebody asked to sign in, or to reset a password, with an address that has no account.",
            _LINK,
        ),
        Kind("account_exists", "Somebody signed up with an address that has an account.", _LINK),
        Kind(
            "invitation",
            "Invites somebody into an organization.",
            {
                **_LINK,
                "organization": "Trattoria",
                "inviter": "Ada Lovelace",
                "role": "developer",
                "days": "7",
            },
            ("link",),
        ),
        Kind(
            "security_notice",
            "Tells that something changed by which the account is protected.",
            {
                "what": "A passkey was added.",
                "when": "22 November 2026, 20:15 UTC",
                "ip": "203.0.113.7",
                "device": "Firefox on Linux",
                **_LINK,
            },
            ("what",),
        ),
        Kind(
            "email_changed",
            "Tells the old address that the account has a new one.",
            {"new_email": "ada@new.example.com", "when": "22 November 2026, 20:15 UTC", **_LINK},
            ("new_email",),
        ),
    )
}
