"""Whether something can be a provider, by what somebody configures or what it says of itself."""

from __future__ import annotations

from ipaddress import ip_address
from urllib.parse import SplitResult

from apps.accounts.signin.providers.errors import ServerUrlUnfit, SignInProviderShapeRefused
from apps.accounts.signin.providers.models import ProviderKind, SignInProvider
from apps.accounts.signin.urlcheck import split_address
from apps.core.addresses import is_this_machine
from apps.core.outbound import loopback_is_allowed
from apps.core.outbound_addresses import is_public
from apps.core.problems import FieldError, show

_OPENID = "openid"


def check_shape(row: SignInProvider, *, has_secret: bool) -> None:
    """Raise SignInProviderShapeRefused unless kind, server, secret and scopes of `row` go together."""
    has_server = row.kind == ProviderKind.OPENID_CONNECT
    if has_server and not row.server_url:
        _refuse("server_url", "openid_connect needs the server_url of its issuer.")
    if row.server_url and not has_server:
        _refuse("server_url", f"{row.kind} is one website and takes no server_url; openid_connect takes any.")
    if not has_server and not has_secret:
        _refuse("client_secret", f"{row.kind} needs a client_secret.")
    if row.kind != ProviderKind.GITHUB and _OPENID not in row.wanted_scopes:
        _refuse("scopes", "Without the scope openid the provider does not say who somebody is.")


def check_server_url(url: str) -> None:
    """Raise ServerUrlUnfit unless `url` may be the issuer of a provider of the tenant that stands.

    What its name stands for is looked at when it is called, by apps.core.outbound, and each time anew.
    """
    split = split_address(url)
    problem = problem_of(url)
    if not problem and split is not None and (split.query or split.fragment or url[-1] in "?#"):
        problem = "it has a query or a fragment."
    if problem:
        # What stands before an @ may be a password.
        detail = f"{'The address' if '@' in url else show(url)} will not do: {problem}"
        raise ServerUrlUnfit(detail, errors=[FieldError("server_url", ServerUrlUnfit.code, detail)])


def problem_of(url: str) -> str:
    """What is wrong with `url` as an address of a provider that the tenant that stands may use, or ''."""
    split = split_address(url)
    if split is None:
        return "it is no absolute address."
    if split.username is not None or split.password is not None:
        return "it names a user."
    return _problem_of_host(split)


def _problem_of_host(split: SplitResult) -> str:
    host = str(split.hostname).rstrip(".")
    if is_this_machine(host):
        fits = split.scheme in ("http", "https")
        if not loopback_is_allowed():
            return "it is this machine itself, which only environments that are not protected may call."
        return "" if fits else "it has to begin with http:// or https://."
    if split.scheme != "https":
        return "it has to begin with https://."
    return "it does not lie on the public internet." if _is_inside(host) else ""


def _is_inside(host: str) -> bool:
    """True for an address, written as numbers, that is none of the public internet."""
    try:
        return not is_public(ip_address(host))
    except ValueError:
        return False


def _refuse(field: str, detail: str) -> None:
    raise SignInProviderShapeRefused(
        detail, errors=[FieldError(field, SignInProviderShapeRefused.code, detail)]
    )
