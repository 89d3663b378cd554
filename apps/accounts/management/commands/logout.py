"""`manage.py logout`: end the sign-in that `manage.py login` keeps."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any, ClassVar

from apps.core import logins
from apps.core.commands import PackmuleCommand
from apps.core.logins import Login
from apps.core.problems import NotFound


class Command(PackmuleCommand):
    """Revoke the tokens and delete the file."""

    help = "End the sign-in of `manage.py login`: its tokens are revoked, and the file that holds them is deleted."
    examples: ClassVar = ["logout", "logout --json", "logout --forget"]

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Whether the installation has to be reached."""
        parser.add_argument(
            "--forget", action="store_true", help="delete the file even if the installation cannot be told"
        )

    def perform(self, *_: Any, forget: bool, **options: Any) -> Any:
        """Do both, or with `forget` at least the second. Raises NotFound, and what keeps it from being revoked."""
        login = logins.load_any() if forget else logins.load()
        if login is None and not (forget and logins.kept_in().exists()):
            raise NotFound("Nobody is signed in here, so there is nothing to end.")
        revoked = login is not None and (logins.revoke_quietly(login) if forget else _revoked(login))
        logins.forget()
        return {"address": login.address if login is not None else None, "revoked": revoked}


def _revoked(login: Login) -> bool:
    logins.revoke(login)
    return True
