"""`manage.py login`: sign in to an installation, here or on another machine, for the commands that come after."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any, ClassVar

from django.conf import settings

from apps.accounts.oauth import signing_in
from apps.core import logins, remote
from apps.core.commands import BadUsage, PackmuleCommand
from apps.core.local_api import LocalCall
from apps.core.logins import Login
from apps.core.problems import missing
from apps.tenancy.models import Tenant
from apps.tenancy.urls import tenant_url
from apps.tenancy.walls import outside

_ASK = """
Open    {page}
Enter   {code}

Or open {whole_page}
and compare the code. It is good for {minutes} minutes.
"""


class Command(PackmuleCommand):
    """Sign in by a code that a person approves in a browser (RFC 8628)."""

    help = (
        "Sign in, so that commands act as you where PACKMULE_KEY is not set. A person approves it in a browser, at the "
        "address and with the code that stderr shows. Default: the console of the installation on the data directory."
    )
    examples: ClassVar = [
        "login",
        "login --host https://packmule.example.com --scopes applications:write,users:read",
        "login --environment menugen/development --json",
    ]

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Where, and for what."""
        where = parser.add_mutually_exclusive_group()
        where.add_argument(
            "--host", metavar="URL", help="an installation, or the host of one of its environments"
        )
        where.add_argument(
            "--environment",
            metavar="APP/ENV",
            help="an environment of this installation, as one of its own people",
        )
        parser.add_argument(
            "--scopes", metavar="A,B", default="*", help="what commands may do; default: all that you may do"
        )

    def perform(self, *_: Any, host: str | None, environment: str | None, scopes: str, **options: Any) -> Any:
        """Ask, wait for the person, and keep what came of it."""
        address = remote.origin(host) if host else _address_here(environment)
        try:
            login = self._approved(address, [scope.strip() for scope in scopes.split(",") if scope.strip()])
        except KeyboardInterrupt:
            raise signing_in.LoginTimedOut("It was interrupted before anybody approved it.") from None
        former = logins.load_any()
        logins.keep(login)
        if former is not None:
            logins.revoke_quietly(former)
        return _document(login)

    def _approved(self, address: str, scopes: list[str]) -> Login:
        server = signing_in.find_server(address)
        begun = signing_in.begin(server, scopes)
        self._tell(begun)
        return signing_in.wait(server, begun)

    def _tell(self, begun: signing_in.Begun) -> None:
        said = _ASK.format(
            page=begun.page, code=begun.user_code, whole_page=begun.whole_page, minutes=begun.expires_in // 60
        )
        self.stderr.write(said, style_func=str)
        self.stderr.flush()


def _document(login: Login) -> dict[str, Any]:
    """What came of it: where, as whom, and what commands may do."""
    answer = remote.send(LocalCall("GET", "/v1/whoami"), login.address, login.access_token)
    shown = remote.Reply(answer.status, answer.headers, answer.body).document()
    return {
        "address": login.address,
        "tenant": answer.headers.get("Packmule-Tenant"),
        "actor": shown.get("actor"),
        "scopes": login.scopes,
        "kept_in": str(logins.kept_in()),
    }


def _address_here(environment: str | None) -> str:
    """Where the installation of this data directory is reached, or one of its environments.

    Raises BadUsage where none runs, and NotFound.
    """
    base = settings.PACKMULE_PUBLIC_URL
    if not base:
        if not settings.PACKMULE_PORT:
            raise BadUsage(
                f"No installation runs on {settings.PACKMULE_DATA_DIR}. Start it, or name one with --host."
            )
        base = f"http://127.0.0.1:{settings.PACKMULE_PORT}"
    if environment is None:
        return remote.origin(base)
    with outside():
        tenant = Tenant.objects.active().filter(name=environment).first()
    if tenant is None:
        raise missing("environment", environment)
    return remote.origin(tenant_url(tenant.ref, "", base=base))
