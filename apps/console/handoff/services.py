"""Opening an environment's admin out of the console, seeing who did, and ending it."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from urllib.parse import urlencode
from uuid import UUID

from django.db.models import QuerySet

from apps.accounts.authority import require_person
from apps.apikeys import handoffs
from apps.apikeys.handoffs import Ending, HandOff
from apps.apikeys.lookup import TenantRow
from apps.apikeys.resolver import require_current
from apps.applications.models import Environment
from apps.applications.services import find_environment
from apps.console.handoff.addresses import ENTRANCE, FIRST_PAGE, environment_url
from apps.console.handoff.errors import ConsoleSessionNeeded, ReasonNeeded
from apps.console.handoff.serializers import HandOffOutput, OpenedOutput, OpenInput
from apps.core.actor import Actor
from apps.core.ids import encode
from apps.core.operations import Risk, operation
from apps.core.problems import FieldError, missing
from apps.tenancy.models import Tenant
from apps.tenancy.walls import enter, outside


@dataclass(frozen=True, slots=True)
class Opened:
    """A hand-off, and the address with its code: the only moment at which the code exists here."""

    hand_off: HandOff
    url: str = field(repr=False)


@operation(
    "environments.open",
    scope="environments:open",
    risk=Risk.SECRET,
    input=OpenInput,
    output=OpenedOutput,
    shows_secret=True,
    records_itself=True,
    subject=lambda opened: opened.hand_off,
    event="hand_off.started",
)
def open_environment(
    actor: Actor,
    *,
    slug: str,
    environment: str,
    nonce: str,
    page: str = FIRST_PAGE,
    reason: str = "",
    console_host: str = "",
) -> Opened:
    """Open the admin of an environment for yourself: a session there that ends with yours in the console.

    The answer leads one browser there: the one that holds the secret of which `nonce` is the hash. A protected
    environment asks for a reason. `GET /admin/enter/` on the environment's host begins all this for a browser.
    """
    person = require_person(actor, in_person=True)
    if actor.credential.kind != "session" or actor.credential.id is None:
        raise ConsoleSessionNeeded
    target = tenant_of(find_environment(actor, slug, environment))
    _require_reason(target, reason)
    require_current(target)
    away = replace(actor, tenant=target.ref, organization=None, call=replace(actor.call, reason=reason))
    with enter(target.ref), open_environment.recorded(away) as note:
        made, code = handoffs.issue(
            nonce_digest=bytes.fromhex(nonce),
            owner_organization_id=target.owner_organization_id,  # type: ignore[arg-type] # an environment has one
            name=target.ref.name,
            tenant_id=target.ref.id,
            user_id=person,
            user_name=actor.principal.name,
            session_id=actor.credential.id,
            reason=reason,
        )
        query = urlencode({"code": code, "next": page, "console": console_host})
        return note(Opened(made, environment_url(target, f"{ENTRANCE}?{query}")))


@operation("hand_offs.list", scope="hand-offs:read", risk=Risk.READ, output=HandOffOutput, lists=True)
def list_hand_offs(actor: Actor) -> QuerySet[HandOff]:
    """List who opened the admin of an environment of the organization, the newest first, and what became of it."""
    return HandOff.objects.visible_to(actor)


@operation("hand_offs.get", scope="hand-offs:read", risk=Risk.READ, output=HandOffOutput)
def get_hand_off(actor: Actor, *, hand_off_id: UUID) -> HandOff:
    """Show one hand-off."""
    return find_hand_off(actor, hand_off_id)


@operation("hand_offs.end", scope="hand-offs:write", risk=Risk.WRITE, records_itself=True)
def end_hand_off(actor: Actor, *, hand_off_id: UUID) -> HandOff:
    """End a hand-off: its session in the environment's admin is closed at the next click. Repeatable."""
    return _ended(actor, find_hand_off(actor, hand_off_id), Ending.REVOKED)


def sign_out(actor: Actor) -> None:
    """End the hand-off by which `actor` acts, on their own word: leaving takes no right."""
    shown = actor.credential.id
    own = HandOff.objects.filter(pk=shown).first() if shown else None
    if own is not None:
        _ended(actor, own, Ending.SIGNED_OUT)


def find_hand_off(actor: Actor, hand_off_id: UUID) -> HandOff:
    """The hand-off, where `actor` may see it. Raises NotFound."""
    found: HandOff | None = HandOff.objects.visible_to(actor).filter(pk=hand_off_id).first()
    if found is None:
        raise missing("hand-off", encode("hof", hand_off_id))
    return found


def tenant_of(environment: Environment) -> TenantRow:
    """What the registry says about the environment's tenant. One query."""
    with outside():
        tenant = Tenant.objects.active().get(pk=environment.tenant_id)
    return TenantRow(tenant.ref, tenant.state, tenant.fingerprint, tenant.owner_organization_id)


def _require_reason(target: TenantRow, reason: str) -> None:
    if target.ref.protected and not reason.strip():
        detail = f"{target.ref.name} is protected. {ReasonNeeded.advice}"
        raise ReasonNeeded(detail, errors=[FieldError("reason", ReasonNeeded.code, detail)])


def _ended(actor: Actor, hand_off: HandOff, ending: Ending) -> HandOff:
    """End it, on record in the environment and, as for everything done away from home, in the console."""
    with outside():
        tenant = Tenant.objects.get(pk=hand_off.tenant_id).ref
    away = actor if actor.is_away else replace(actor, tenant=tenant, organization=None)
    with enter(tenant), end_hand_off.recorded(away) as note:
        return note(handoffs.end(hand_off, ending))
