"""One of everything for each party, and what to send: extend this when a route needs an example of something new.

`@example("job")` says how a party gets the job whose id fills `<job:…>` in a URL and `IdField("job")` in a body.
`BODIES` says what to send to an operation for which the fields' own examples will not do.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

from allauth.usersessions.models import UserSession
from django.contrib.sessions.backends.db import SessionStore
from django.contrib.sessions.models import Session

from apps.accounts.mails.models import MailTemplate
from apps.accounts.models import ServiceAccount, User
from apps.accounts.oauth.models import OAuthGrant
from apps.accounts.signin.providers.models import SignInProvider
from apps.accounts.signin.trail import session_id
from apps.apikeys.delegations.models import Delegation
from apps.apikeys.handoffs import digest, issue
from apps.apikeys.minting import mint
from apps.apikeys.models import KeyKind
from apps.audit.models import Event, Touch
from apps.core import clock
from apps.core.ids import decode, encode
from apps.core.scopes import Scopes
from apps.core.strictjson import timestamp
from apps.orgs.joining import digest_of
from apps.orgs.models import Invitation, Membership, Organization, Role, Team, TeamMember
from apps.tenancy.models import Tenant
from apps.tenancy.walls import outside
from tests.oauth import register
from tests.sweep.cells import Cell, example
from tests.world import Party, same_id

#: The same in every body, so that two calls about the same things ask the same.
TOMORROW = timestamp(clock.now() + timedelta(days=1))
#: Bodies by the operation's name, made for the cell whose ids they are to hold. {} where the fields' examples do.
BODIES: dict[str, Callable[[Cell], dict[str, Any]]] = {
    "members.add": lambda cell: {"email": f"guest@{party_of(cell).slug}.test", "role": "viewer"},
    "teams.add-member": lambda cell: {"membership": party_of(cell).membership},
    "keys.create": lambda cell: {
        "name": "made",
        "scopes": ["users:read"],
        "service_account": cell.things["svc"],
    },
    "oauth_clients.create": lambda cell: {
        "name": "made",
        "grants": ["client_credentials"],
        "scopes": ["users:read"],
        "service_account": cell.things["svc"],
    },
    "oauth_clients.update": lambda _cell: {"name": "changed", "scopes": ["users:read"]},
    "leaked_keys.report": lambda _cell: {"keys": [{"key": "pmk_live_sk_nothing", "url": "https://x.test"}]},
    "mail_templates.put": lambda _cell: {"subject": "made", "text": "{{ link }}"},
    "invitations.preview": lambda cell: {"token": token_of(cell)},
    "invitations.accept": lambda cell: {"token": token_of(cell)},
    "invitations.decline": lambda cell: {"token": token_of(cell)},
    "sign_in_settings.update": lambda _cell: {"session_hours": 24},
    "sign_in_providers.create": lambda _cell: {
        "slug": "made",
        "kind": "openid_connect",
        "name": "made",
        "client_id": "made",
        "server_url": "https://id.example.com",
    },
    "sign_in_providers.update": lambda _cell: {"name": "changed"},
    "delegations.create": lambda cell: {
        "actor": cell.things["agt"],
        "scopes": ["users:read"],
        "expires_at": TOMORROW,
    },
    "delegations.request": lambda cell: {
        "of": cell.things["usr"],
        "scopes": ["users:read"],
        "expires_at": TOMORROW,
        "purpose": "made",
    },
    "environments.open": lambda _cell: {"nonce": digest("a browser's secret").hex(), "reason": "made"},
    "collections.create": lambda _cell: {"name": "another", "schema": {"type": "object"}},
    "collections.update": lambda _cell: {"description": "changed"},
    "records.create": lambda cell: {"data": {"title": cell.mark, "sku": "another"}},
    "records.update": lambda _cell: {"data": {"title": "changed"}},
    "records.replace": lambda _cell: {"data": {"title": "changed"}},
    "records.upsert": lambda cell: {"by": "sku", "data": {"sku": "the same", "title": cell.mark}},
    "records.import": lambda cell: {"data": {"title": cell.mark}},
    "records.bulk": lambda cell: {"items": [{"do": "create", "data": {"title": cell.mark}}]},
    "files.create": lambda _cell: {"bucket": "kept", "name": "made", "size": 1},
    "files.complete": lambda _cell: {"version": 1},
    "event_types.create": lambda _cell: {"name": "pool_order.sent", "schema": {"type": "object"}},
    "event_types.update": lambda _cell: {"description": "changed"},
    "events.publish": lambda _cell: {"type": "pool_order.paid", "data": {"total": 1}},
    "events.publish-batch": lambda _cell: {"events": [{"type": "pool_order.paid"}]},
    "webhook_endpoints.create": lambda _cell: {
        "url": "https://93.184.215.14/",
        "event_types": ["agent.*"],
    },
    "webhook_endpoints.update": lambda _cell: {"description": "changed"},
    "webhook_endpoints.disable": lambda _cell: {"reason": "made"},
    "jobs.enqueue": lambda _cell: {"kind": "made"},
    "jobs.enqueue-batch": lambda _cell: {"jobs": [{"kind": "made"}]},
    "jobs.claim": lambda _cell: {},
    "jobs.heartbeat": lambda cell: {"lease_token": lease_token_of(cell), "message": cell.mark},
    "jobs.complete": lambda cell: {"lease_token": lease_token_of(cell), "result": cell.mark},
    "jobs.fail": lambda cell: {"lease_token": lease_token_of(cell), "error": {"message": cell.mark}},
    "jobs.wait": lambda cell: {"lease_token": lease_token_of(cell), "name": "a nap", "seconds": 60},
    "jobs.save-step": lambda cell: {"lease_token": lease_token_of(cell), "result": cell.mark},
    "queues.create": lambda _cell: {"name": "made", "push_url": "https://93.184.215.14/"},
    "queues.update": lambda _cell: {"description": "changed"},
    "schedules.create": lambda _cell: {"name": "made", "kind": "made", "every_seconds": 3600},
    "schedules.update": lambda cell: {"payload": {"mark": cell.mark}},
    "policy.explain": lambda cell: {"operation": "agents.list", "resource": cell.things["agt"]},
}
#: Fields of a body of which only one may be sent: (operation, field) -> the field that has to go.
ONE_OF: dict[tuple[str, str], str] = {
    ("keys.create", "agent"): "service_account",
    ("members.add", "user"): "email",
    ("oauth_clients.create", "agent"): "service_account",
}


#: Arguments of a URL for which another thing of the cell stands: (operation, argument) -> its name.
INSTEAD: dict[tuple[str, str], str] = {
    ("organizations.delete", "organization_id"): "bare_org",
    ("collections.delete", "collection"): "empty_collection",
    ("queues.rotate", "queue"): "pushed_queue",
    ("jobs.retry", "job_id"): "dead_job",
}


def party_of(cell: Cell) -> Party:
    """The party of a cell that has one."""
    assert cell.party is not None
    return cell.party


def lease_token_of(cell: Cell) -> str:
    """The token of the lease of the cell's job."""
    return encode("lse", unlike(cell, "lease"))


def unlike(cell: Cell, what: str) -> Any:
    """An id for `what` that is the same in the twin tenant, and another in every other organization."""
    return same_id(f"sweep:{party_of(cell).slug}:{what}")


@example("org")
def _organization(cell: Cell) -> str:
    return party_of(cell).id


@example("bare_org")
def _bare_organization(cell: Cell) -> str:
    """An organization beside the party's, without records and files, which would keep it from being deleted."""
    made = Organization.objects.create(
        id=unlike(cell, "bare"), slug=f"bare-{party_of(cell).slug}", name=cell.mark
    )
    return made.public_id


@example("usr")
def _user(cell: Cell) -> str:
    return party_of(cell).person


@example("mem")
def _membership(cell: Cell) -> str:
    """A member whom the others can do without, somebody who is none yet, and an owner beside the party's person."""
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


@example("dlg")
def _delegation(cell: Cell) -> str:
    """What the party's service account asks the party's person, so that there is something to answer."""
    party = party_of(cell)
    made = Delegation.objects.create(
        id=unlike(cell, "delegation"),
        organization_id=party.uuid,
        delegator_kind="user",
        delegator_id=decode(party.person, "usr"),
        delegator_name=cell.mark,
        delegate_kind="service_account",
        delegate_id=decode(party.service, "svc"),
        delegate_name=cell.mark,
        scopes=["users:read"],
        purpose=cell.mark,
        expires_at=clock.now() + timedelta(days=2),
        asked_until=clock.now() + timedelta(days=1),
    )
    return made.public_id


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


@example("sip")
def _sign_in_provider(cell: Cell) -> str:
    """A provider of the whole tenant; one for each party, so that none has to be shared."""
    made = SignInProvider.objects.create(
        id=unlike(cell, "provider"),
        slug=party_of(cell).slug,
        kind="openid_connect",
        name=cell.mark,
        client_id="made",
        server_url="https://id.example.com",
    )
    return made.public_id


@example("oac")
def _oauth_client(cell: Cell) -> str:
    """A confidential client of the party's service account."""
    return register(
        party_of(cell), id=unlike(cell, "client"), name=cell.mark, grants=["client_credentials"], machine=True
    ).public_id


@example("oag")
def _oauth_grant(cell: Cell) -> str:
    """What the party's person let its client do."""
    made: OAuthGrant = OAuthGrant.objects.create(
        id=unlike(cell, "grant"),
        user_id=decode(party_of(cell).person, "usr"),
        client_id=encode("oac", unlike(cell, "client")),
        name=cell.mark,
        scopes=["users:read"],
        given_at=clock.now(),
    )
    return made.public_id


@example("ses")
def _session(cell: Cell) -> str:
    """A session of the party's person; its token is the same in the twin tenant, so that its id is."""
    token = unlike(cell, "session").hex
    person = User.objects.get(pk=decode(party_of(cell).person, "usr"))
    ends, data = clock.now() + timedelta(days=1), SessionStore().encode({})
    Session.objects.create(session_key=token, session_data=data, expire_date=ends)
    UserSession.objects.create(user=person, session_key=token, ip="192.0.2.7", user_agent=cell.mark)
    return encode("ses", session_id(token))


@example("hof")
def _hand_off(cell: Cell) -> str:
    """A hand-off into the environment, or into that of the company, which goes on as long as the session of `ses`."""
    assert cell.space is not None
    place = cell.space.name if cell.space.name != "console" else f"{party_of(cell).slug}/production"
    company = place.partition("/")[0]
    with outside():
        tenant = Tenant.objects.get(name=place)
    assert tenant.owner_organization_id is not None
    made, _ = issue(
        nonce_digest=digest(cell.name),
        owner_organization_id=tenant.owner_organization_id,
        name=place,
        tenant_id=tenant.id,
        user_id=same_id(f"builders:{company}:owner"),
        user_name=cell.mark,
        session_id=session_id(same_id(f"sweep:{company}:session").hex),
        reason=cell.mark,
    )
    return made.public_id
