"""Hand-offs: how a person of the console works in the admin of an environment without being one of its people.

A hand-off is a row of the registry. It begins as a one-time code that only the browser which asked for it can use, and
becomes the session that this code began on the environment's host. Whether it opens anything is looked at anew with
every call: the person, their seat, their session in the console and this row all have to be there.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Iterable
from contextlib import nullcontext
from datetime import timedelta
from typing import Any, ClassVar
from uuid import UUID

from django.db import connection, models
from django.db.models.functions import Now

from apps.apikeys.lookup import find_console
from apps.core import clock
from apps.core.actor import Actor
from apps.core.ids import Identified
from apps.tenancy.walls import NO_ORGANIZATION, current_kind, enter, outside, registry

#: How long a code may be used, and how long the session that it begins lasts at the most.
CODE_LIFETIME = timedelta(seconds=60)
LIFETIME = timedelta(hours=8)
#: How long an ended hand-off stays listed.
KEPT_FOR = timedelta(days=90)
_LIVE_SESSIONS = (
    "select substring(sha256(convert_to(entry.session_key, 'UTF8')) from 1 for 16) "
    "from usersessions_usersession entry join django_session opened on opened.session_key = entry.session_key "
    "where entry.user_id = any(%s) and opened.expire_date > %s"
)


class Ending(models.TextChoices):
    """What ended a hand-off before its time."""

    REVOKED = "revoked", "Revoked"
    SIGNED_OUT = "signed_out", "Signed out"
    REPLACED = "replaced", "Replaced"


class HandOffQuerySet(models.QuerySet["HandOff"]):
    """Hand-offs. The registry is read outside of all tenants, wherever the caller stands."""

    def visible_to(self, actor: Actor) -> HandOffQuerySet:
        """Those into the environments of the actor's organization: all in the console, a tenant's own within it.

        An environment's own people and programs see none: who builds the product is not theirs to know.
        """
        if actor.home.kind != "console":
            return self.none()
        if not actor.is_away:
            if actor.organization is not None:
                return self.filter(owner_organization_id=actor.organization.id)
            return self if actor.is_tenant_wide else self.none()
        return self.filter(tenant_id=actor.tenant.id) if actor.is_tenant_wide else self.none()

    def waiting(self) -> HandOffQuerySet:
        """Those whose code can still be used."""
        return self.filter(entered_at=None, ended_at=None, code_expires_at__gt=clock.now())

    def count(self) -> int:
        """How many there are."""
        with outside():
            return super().count()

    def exists(self) -> bool:
        """Whether there is one."""
        with outside():
            return super().exists()

    def _fetch_all(self) -> None:
        """Read the rows, and which of their sessions in the console go on."""
        fetched = self._result_cache is not None
        with outside():
            super()._fetch_all()
        if not fetched and self._iterable_class is models.query.ModelIterable:
            _attach_sessions(self._result_cache or [])


class HandOff(Identified):
    """A person of the console in the admin of one environment. Of code, nonce and session only the SHA-256 is kept."""

    id_prefix = "hof"
    #: False when it is known that the session in the console is over.
    console_session_goes_on: bool = True

    name = models.CharField(max_length=120, help_text="The environment's name when it was opened")
    tenant = models.ForeignKey("tenancy.Tenant", on_delete=models.CASCADE, related_name="+")
    owner_organization_id = models.UUIDField(help_text="The console's organization that owned it then")
    user_id = models.UUIDField()
    user_name = models.CharField(max_length=254)
    session_id = models.UUIDField(help_text="The session in the console out of which it was opened")
    reason = models.CharField(max_length=500, blank=True)
    code_digest = models.BinaryField(max_length=32, unique=True)
    nonce_digest = models.BinaryField(max_length=32)
    code_expires_at = models.DateTimeField()
    entered_at = models.DateTimeField(null=True)
    session_digest = models.BinaryField(max_length=32, null=True, unique=True)
    expires_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True)
    ending = models.CharField(max_length=16, choices=Ending, blank=True)
    created_at = models.DateTimeField(db_default=Now())

    objects: ClassVar[HandOffQuerySet] = HandOffQuerySet.as_manager()  # type: ignore[assignment]

    class Meta:
        db_table = '"public"."apikeys_handoff"'
        indexes: ClassVar = [
            models.Index(fields=["owner_organization_id", "id"], name="apikeys_handoff_owner"),
            models.Index(fields=["tenant", "id"], name="apikeys_handoff_place"),
        ]

    def __str__(self) -> str:
        return f"{self.user_name} in {self.name}"

    @property
    def status(self) -> str:
        """waiting (for its code to be used), open, expired, closed (with the console's session), or how it ended."""
        if self.ending:
            return str(self.ending)
        end = self.code_expires_at if self.entered_at is None else self.expires_at
        if end <= clock.now():
            return "expired"
        if not self.console_session_goes_on:
            return "closed"
        return "waiting" if self.entered_at is None else "open"

    @property
    def is_over(self) -> bool:
        """True when it will never open anything again."""
        return self.status not in ("waiting", "open")


def digest(text: str) -> bytes:
    """The SHA-256 under which a code, nonce or session is kept."""
    return hashlib.sha256(text.encode()).digest()


def issue(*, nonce_digest: bytes, owner_organization_id: UUID, **about: Any) -> tuple[HandOff, str]:
    """A new hand-off and its one-time code, which exists nowhere else. `about` are the row's other columns.

    What the organization opened long ago is forgotten meanwhile.
    """
    code, now = secrets.token_urlsafe(32), clock.now()
    made = HandOff(
        code_digest=digest(code),
        nonce_digest=nonce_digest,
        code_expires_at=now + CODE_LIFETIME,
        expires_at=now + LIFETIME,
        owner_organization_id=owner_organization_id,
        **about,
    )
    with registry():
        made.save(force_insert=True)
        old = HandOff.objects.filter(owner_organization_id=owner_organization_id)
        old.filter(expires_at__lt=now - KEPT_FOR).delete()
    return made, code


def use_code(code: str, nonce: str, tenant_id: UUID, session_key: str) -> bool:
    """Use up a code for the session `session_key` on the host of `tenant_id`; False when it opens nothing there.

    One conditional update: of two who come with the same code, one gets in. The code has to come from the browser that
    holds `nonce`, in time, to the environment that it was made for.
    """
    now = clock.now()
    with registry():
        fitting = HandOff.objects.waiting().filter(
            code_digest=digest(code), nonce_digest=digest(nonce), tenant_id=tenant_id
        )
        return bool(
            fitting.update(entered_at=now, session_digest=digest(session_key), expires_at=now + LIFETIME)
        )


def find_by_code(code: str) -> HandOff | None:
    """The hand-off that had that code, whatever became of it."""
    return HandOff.objects.filter(code_digest=digest(code)).first()


def find_by_session(session_key: str, tenant_id: UUID) -> HandOff | None:
    """The hand-off that began the session on the host of `tenant_id`, whatever became of it."""
    return HandOff.objects.filter(session_digest=digest(session_key), tenant_id=tenant_id).first()


def end(hand_off: HandOff, ending: Ending) -> HandOff:
    """End it now. What is over already stays as it is."""
    if hand_off.ended_at is None and not hand_off.is_over:
        hand_off.ended_at, hand_off.ending = clock.now(), ending
        with registry():
            HandOff.objects.filter(pk=hand_off.pk, ended_at=None).update(
                ended_at=hand_off.ended_at, ending=ending
            )
    return hand_off


def _attach_sessions(rows: Iterable[HandOff]) -> None:
    """Say of each row whether its session in the console goes on, which is asked there."""
    asked = [row for row in rows if not row.is_over]
    console = None if not asked or current_kind() == "console" else find_console()
    if not asked or (console is None and current_kind() != "console"):
        return
    with enter(console.ref, NO_ORGANIZATION) if console else nullcontext(), connection.cursor() as cursor:
        cursor.execute(_LIVE_SESSIONS, [list({row.user_id for row in asked}), clock.now()])
        alive = {UUID(bytes=bytes(found)) for (found,) in cursor.fetchall()}
    for row in asked:
        row.console_session_goes_on = row.session_id in alive
