"""The wall of the credential: everything else would let the call through, because ids are the same in both tenants."""

from __future__ import annotations

from datetime import timedelta

from allauth.idp.oidc.models import Client as ClientRow
from allauth.idp.oidc.models import Token

from apps.accounts.models import ServiceAccount
from apps.accounts.oauth.texts import hash_of
from apps.apikeys.minting import mint
from apps.apikeys.models import KeyKind
from apps.core import clock
from apps.core.scopes import Scopes
from apps.orgs.models import Organization
from apps.tenancy.walls import enter
from tests.client import Api
from tests.oauth import give
from tests.sessions import session_token
from tests.world import World


def test_a_key_opens_its_own_tenant_only(world: World, api: Api) -> None:
    north = world.acorn.parties["north"]
    for key in (world.acorn.root_key, north.agent_key, north.person_key, world.acorn.publishable_key):
        own = api.using(key).on(world.acorn.host).get("/v1/whoami")
        assert (own.status, own.headers["Packmule-Tenant"]) == (200, "acorn/production")
        elsewhere = api.using(key).on(world.birch.host).get("/v1/whoami")
        assert (elsewhere.status, elsewhere.code) == (401, "wrong_tenant")
        console = api.using(key).on(world.console.host).get("/v1/whoami")
        assert (console.status, console.code) == (401, "wrong_tenant")
        named = api.using(key).sending(packmule_environment=world.birch.name).get("/v1/whoami")
        assert (named.status, named.code) == (404, "not_found")


def test_a_key_of_an_environment_names_no_other_even_for_a_namesake_of_its_owner(
    world: World, api: Api
) -> None:
    """Membership is taken away as a barrier: the organization has the id of the company that owns the twin."""
    with enter(world.acorn.ref):
        Organization.objects.create(id=world.rivals.uuid, slug="namesake", name="Namesake")
        owner_of_all = ServiceAccount.objects.create(
            name="namesake", organization_id=world.rivals.uuid, role="owner"
        )
        minted = mint(
            tenant=world.acorn.ref,
            principal=owner_of_all,
            kind=KeyKind.SECRET,
            name="namesake",
            scopes=Scopes.everything(),
            expires_at=clock.now() + timedelta(days=1),
            minter=None,
        )
    client = api.using(minted.secret)
    assert client.get("/v1/whoami")["organization"]["slug"] == "namesake"
    refusal = client.sending(packmule_environment=world.birch.name).get("/v1/whoami")
    assert (refusal.status, refusal.code) == (404, "not_found")


def test_a_token_opens_its_own_tenant_only(world: World, api: Api) -> None:
    """The other tenant has its row too: where it opens anything is said by the token, and by the row's audience."""
    token = give(world.acorn, ["*"], user=world.acorn.parties["north"].person)
    with enter(world.acorn.ref):
        row = Token.objects.get(hash=hash_of(token))
    with enter(world.birch.ref):
        ClientRow.objects.create(pk=row.client_id, name="the same", type="public", secret="!")
        row.save(force_insert=True)
    own = api.using(token).on(world.acorn.host).get("/v1/whoami")
    assert (own.status, own.headers["Packmule-Tenant"]) == (200, "acorn/production")
    for space in (world.birch, world.console):
        elsewhere = api.using(token).on(space.host).get("/v1/whoami")
        assert (elsewhere.status, elsewhere.code) == (401, "wrong_tenant")
    named = api.using(token).sending(packmule_environment=world.birch.name).get("/v1/whoami")
    assert (named.status, named.code) == (404, "not_found")


def test_a_session_opens_its_own_tenant_only(world: World, api: Api) -> None:
    """A session is a row of one tenant: the same token is nobody's in the other, though the person is there too."""
    signed_in = api.sending(x_session_token=session_token(world.acorn, world.acorn.parties["north"]))
    own = signed_in.on(world.acorn.host).get("/v1/whoami")
    assert (own.status, own.headers["Packmule-Tenant"]) == (200, "acorn/production")
    for space in (world.birch, world.console):
        elsewhere = signed_in.on(space.host).get("/v1/whoami")
        assert (elsewhere.status, elsewhere.code) == (401, "session_ended")
        by_key = signed_in.sending(packmule_key=space.publishable_key).get("/v1/whoami")
        assert (by_key.status, by_key.code) == (401, "session_ended")
