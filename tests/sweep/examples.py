"""One of everything for each party, and what to send: extend this when a route needs an example of something new.

`@example("job")` says how a party gets the job whose id fills `<job:…>` in a URL and `IdField("job")` in a body.
`BODIES` says what to send to an operation for which the fields' own examples will not do.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

from apps.accounts.models import MailTemplate, ServiceAccount, User
from apps.apikeys.minting import mint
from apps.apikeys.models import KeyKind
from apps.audit.models import Event, Touch
from apps.core import clock
from apps.core.ids import decode, encode
from apps.core.scopes import Scopes
from apps.orgs.joining import digest_of
from apps.orgs.models import Invitation, Membership, Role, Team, TeamMember
from tests.sweep.cells import Cell, example
from tests.world import Party, same_id

#: Bodies by the operation's name, made for the cell whose ids they are to hold. {} where the fields' examples do.
BODIES: dict[str, Callable[[Cell], dict[str, Any]]] = {
    "members.add": lambda cell: {"email": f"guest@{party_of(cell).slug}.test", "role": "viewer"},
    "teams.add-member": lambda cell: {"membership": party_of(cell).membership},
    "keys.create": lambda cell: {
        "name": "made",
        "scopes": ["users:read"],
        "service_account": cell.things["svc"],
    },
    "leaked_keys.report": lambda _cell: {"keys": [{"key": "pmk_live_sk_nothing", "url": "https://x.test"}]},
    "mail_templates.put": lambda cell: {"subject": "made", "text": "{{ link }}"},
    "invitations.preview": lambda cell: {"token": token_of(cell)},
    "invitations.accept": lambda cell: {"token": token_of(cell)},
    "invitations.decline": lambda cell: {"token": token_of(cell)},
    "policy.explain": lambda cell: {"operation": "agents.list", "resource": cell.things["agt"]},
}
#: Fields of a body of which only one may be sent: (operation, field) -> the field that has to go.
ONE_OF: dict[tuple[str, str], str] = {
    ("keys.create", "agent"): "service_account",
    ("members.add", "user"): "email",
}


def party_of(cell: Cell) -> Party:
    """The party of a cell that has one."""
    assert cell.party is not None
    return cell.party


def unlike(cell: Cell, what: str) -> Any:
    """An id for `what` that is the same in the twin tenant, and another in every other organization."""
    return same_id(f"sweep:{party_of(cell).slug}:{what}")


@example("org")
def _organization(cell: Cell) -> str:
    return party_of(cell).id


@example("usr")
def _user(cell: Cell) -> str:
    return party_of(cell).person


@example("mem")
def _membership(cell: Cell) -> str:
    """A member whom the others can do without, somebody who is none yet, and another owner beside the party's person."""
    slug = party_of(cell).slug
    for kind in ("member", "guest", "partner"):
        User.objects.create(id=unlike(cell, kind), email=f"{kind}@{slug}.test", name=cell.mark)
    Membership.objects.create(
        organization_id=party_of(cell).uuid, user_id=unlike(cell, "partner"), role="owner"
    )
    made = Membership.objects.create(
        id=unlike(cell, "seat"),
        organization_id=party_of(cell).uuid,
        user_id=unlike(cell, "member"),
        role="developer",
    )
    return made.public_id


@example("rol")
def _role(cell: Cell) -> str:
    """A role that nobody holds."""
    made = Role.objects.create(
        id=unlike(cell, "role"),
        organization_id=party_of(cell).uuid,
        slug="made",
        name=cell.mark,
        permissions=["agents:read"],
    )
    return made.public_id


@example("tea")
def _team(cell: Cell) -> str:
    """A team with the member whom the others can do without."""
    place = {"organization_id": party_of(cell).uuid}
    made = Team.objects.create(id=unlike(cell, "team"), slug="made", name=cell.mark, **place)
    TeamMember.objects.create(
        id=unlike(cell, "place"), team=made, membership_id=unlike(cell, "seat"), **place
    )
    return made.public_id


@example("inv")
def _invitation(cell: Cell) -> str:
    """An invitation that the party's viewer may use, who is a member already and so changes nothing of others'."""
    assert cell.space is not None
    made = Invitation.objects.create(
        id=unlike(cell, "invitation"),
        organization_id=party_of(cell).uuid,
        email=f"viewer@{party_of(cell).slug}.test",
        role="viewer",
        digest=digest_of(token_of(cell)),
        inviter_kind="user",
        inviter_id=decode(party_of(cell).person, "usr"),
        inviter_name=cell.mark,
        inviter_home_id=cell.space.ref.id,
        sent_at=clock.now() - timedelta(hours=1),
        expires_at=clock.now() + timedelta(days=7),
    )
    return made.public_id


def token_of(cell: Cell) -> str:
    """The token of the cell's invitation. It holds the mark: whoever has it may learn whose invitation it is."""
    return f"token with the {cell.mark}"


@example("agt")
def _agent(cell: Cell) -> str:
    return party_of(cell).agent


@example("svc")
def _service_account(cell: Cell) -> str:
    return party_of(cell).service


@example("key")
def _key(cell: Cell) -> str:
    assert cell.space is not None
    minted = mint(
        tenant=cell.space.ref,
        principal=ServiceAccount.objects.get(pk=decode(party_of(cell).service, "svc")),
        kind=KeyKind.SECRET,
        name=cell.mark,
        scopes=Scopes.everything(),
        expires_at=clock.now() + timedelta(days=1),
        minter=None,
    )
    return minted.key.public_id


@example("aud")
def _event(cell: Cell) -> str:
    """An event of record whose request is the same for everybody, so that a timeline could follow it anywhere."""
    party, assumed = party_of(cell), unlike(cell, "event")
    Event.objects.create(
        id=assumed,
        at=clock.now(),
        operation="agents.update",
        risk="write",
        actor_kind="user",
        actor_id=party.person,
        actor_name=cell.mark,
        credential_kind="user",
        resource_type="agent",
        resource_id=party.agent,
        resource_name=cell.mark,
        tenant="somewhere",
        home="somewhere",
        organization_id=party.uuid,
        request_id="req_that_all_of_them_share",
        edge="api",
        reason=cell.mark,
    )
    Touch.objects.create(
        resource_id=party.service,
        event_id=assumed,
        organization_id=party.uuid,
        request_id="req_that_all_of_them_share",
    )
    return encode("aud", assumed)


@example("thing")
def _thing(cell: Cell) -> str:
    """What a timeline is asked about."""
    return party_of(cell).agent


@example("kind")
def _mail_kind(cell: Cell) -> str:
    """A kind of mail for which the tenant has its own text: the same for everybody in it."""
    texts = {"subject": "ours", "text": "{{ link }}"}
    return MailTemplate.objects.get_or_create(kind="invitation", defaults=texts)[0].kind
