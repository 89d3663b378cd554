"""The first organization, person and agent: what a fresh installation hands to whoever started it."""

from __future__ import annotations

import json
import os
import secrets
from dataclasses import asdict, dataclass, field
from datetime import timedelta
from pathlib import Path

from allauth.account.models import EmailAddress
from django.conf import settings

from apps.accounts.models import Agent, User
from apps.apikeys.keyformat import KeyTextError, parse
from apps.apikeys.minting import mint
from apps.apikeys.models import KeyIndex, KeyKind
from apps.core import clock
from apps.core.actor import Actor, Call, Edge, TenantRef, system_actor
from apps.core.ids import encode, uuid7
from apps.core.operations import Risk, operation
from apps.core.scopes import Scopes
from apps.orgs.founding import found_organization
from apps.orgs.models import Organization
from apps.tenancy.walls import enter, outside

KEY_LIFETIME = timedelta(days=365)


@dataclass(frozen=True, slots=True)
class FirstCredentials:
    """What `up` prints. A member is None once it does not open anything any more."""

    console_key: str | None = field(default=None, repr=False)
    admin_email: str | None = None
    admin_password: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Founded:
    """The first organization and how to get in."""

    organization: Organization
    credentials: FirstCredentials


def first_credentials(console: TenantRef, kept: Path) -> FirstCredentials:
    """The credentials of the first person and agent, made when the console has no organization yet.

    They are kept in the file `kept` (mode 0600); what was changed since is None.
    """
    with enter(console):
        if not Organization.objects.exists():
            actor = system_actor(console, Call(encode("req", uuid7()), Edge.COMMAND, reason="first start"))
            return found_console(actor, kept=kept).credentials
    return _still_good(_read(kept), console)


@operation(
    "installation.found",
    scope="installation:write",
    risk=Risk.SECRET,
    subject=lambda founded: founded.organization,
)
def found_console(actor: Actor, *, kept: Path) -> Founded:
    """Make the console's first organization, its owner, who is the operator too, and an agent with a key."""
    email, password = settings.PACKMULE_ADMIN_EMAIL, secrets.token_urlsafe(16)
    person = User.objects.create_user(email, password, name="Admin", is_operator=True)
    EmailAddress.objects.create(user=person, email=person.email, primary=True, verified=True)
    organization = found_organization(name="First organization", slug="first", owner=person)
    agent = Agent.objects.create(
        name="First agent",
        purpose="Builds what you ask it to; made when this installation was first started.",
        organization=organization,
        role="admin",
        owner_kind=person.ref.kind,
        owner_id=person.id,
        owner_name=person.email,
    )
    key = mint(
        tenant=actor.tenant,
        principal=agent,
        kind=KeyKind.AGENT,
        name="first key",
        scopes=Scopes.everything(),
        expires_at=clock.now() + KEY_LIFETIME,
        minter=None,
    )
    credentials = FirstCredentials(key.secret, email, password)
    # Before the commit: a file that opens nothing is made again, a key that nobody was told is lost.
    _write(kept, credentials)
    return Founded(organization, credentials)


def _write(kept: Path, credentials: FirstCredentials) -> None:
    kept.parent.mkdir(parents=True, exist_ok=True)
    beside = kept.with_suffix(".new")
    beside.unlink(missing_ok=True)
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        json.dump(asdict(credentials), file, indent=2)
    beside.replace(kept)


def _read(kept: Path) -> FirstCredentials:
    try:
        held = json.loads(kept.read_text())
        return FirstCredentials(**{name: held.get(name) for name in asdict(FirstCredentials())})
    except (OSError, ValueError, AttributeError):
        return FirstCredentials()


def _still_good(held: FirstCredentials, console: TenantRef) -> FirstCredentials:
    person = None
    if held.admin_email:
        with enter(console):
            person = User.objects.filter(email=held.admin_email).first()
    knows = (
        person is not None and held.admin_password is not None and person.check_password(held.admin_password)
    )
    return FirstCredentials(
        held.console_key if _opens(held.console_key) else None,
        held.admin_email if person is not None else None,
        held.admin_password if knows else None,
    )


def _opens(key: str | None) -> bool:
    try:
        parsed = parse(key or "")
    except KeyTextError:
        return False
    with outside():
        return KeyIndex.objects.filter(
            pk=parsed.id, digest=parsed.digest, revoked_at=None, expires_at__gt=clock.now()
        ).exists()
