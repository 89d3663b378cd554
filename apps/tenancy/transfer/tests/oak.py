"""The tenant that moves in these stories, oak/production, and what an archive of it can be made to say."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import orjson
import pytest
from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from django.core.management import CommandError, call_command

from apps.accounts.models import Agent, ServiceAccount, User
from apps.apikeys.endings import stop_principal
from apps.apikeys.minting import mint
from apps.apikeys.models import KeyKind
from apps.applications.models import Application
from apps.core import clock
from apps.core.scopes import Scopes
from apps.orgs.models import Membership, Organization
from apps.storage import stores
from apps.storage.tests.parcels import announce, make_bucket, uploaded
from apps.tenancy.models import Tenant
from apps.tenancy.owner import drop_schema, owner_transaction, run
from apps.tenancy.provisioning import claim
from apps.tenancy.sealing import seal
from apps.tenancy.transfer.folder import MANIFEST
from apps.tenancy.walls import enter, outside, registry
from tests.client import Api
from tests.world import Space, World

NAME = "oak/production"
#: Made up for these tests.
CARRIER = base64.b64encode(b"the key that locks the data keys").decode()
SECRET = "a made-up secret of a second factor"
#: Texts that a format of rows could trip over.
AWKWARD = ["\\.", "a\tb\nc\\d\r", "\\N", "“🍜” \u202e", "", "pms1", '{"a": "\\u0041"}']
#: What is said of its file.
METADATA = {"camera": {"make": "a\tb", "iso": 400}, "places": [None, 1.5]}


@dataclass
class Oak:
    """The tenant, how it is reached, and what lies in it."""

    space: Space
    file: str = ""
    agent_key: str = ""


def grown(world: World) -> Oak:
    """The tenant with people, an organization, keys, records, files and a sealed secret, all committed."""
    with outside():
        company = world.builders.uuid
        tenant = claim(
            "environment", NAME, protected=True, owner_organization_id=company, host="oak.localhost"
        )
    oak = Oak(Space(tenant.ref, "production--oak.localhost"))
    with enter(tenant):
        root = ServiceAccount.objects.create(name="root", role="owner")
        oak.space.root_key = _key(oak.space, root, KeyKind.SECRET)
        _people(oak)
    api = Api(oak.space.root_key)
    _records(api)
    make_bucket(oak.space)
    oak.file = uploaded(oak.space, api, tags={"tree": "oak"}, metadata=METADATA)
    assert announce(api, name="on its way").status == 201
    return oak


def _people(oak: Oak) -> None:
    for slug in ("north", "south"):
        organization = Organization.objects.create(slug=slug, name=slug.title())
        person = User.objects.create_user(f"owner@{slug}.test", "made-up password", name=slug)
        EmailAddress.objects.create(user=person, email=person.email, primary=True, verified=True)
        Membership.objects.create(organization=organization, user=person, role="owner")
    sealed = seal("second factor", SECRET)
    Authenticator.objects.create(user=person, type=Authenticator.Type.TOTP, data={"secret": sealed})
    agent = Agent.objects.create(
        name="stopped", organization=organization, role="admin", owner_kind="user", owner_id=person.pk
    )
    oak.agent_key = _key(oak.space, agent, KeyKind.AGENT)
    stop_principal(agent)


def _records(api: Api) -> None:
    schema = {"type": "object", "properties": {"name": {"type": "string"}, "price": {"type": "number"}}}
    made = api.post("/v1/collections", {"name": "dishes", "schema": schema, "indexes": [{"field": "price"}]})
    assert made.status == 201, made
    for number, text in enumerate(AWKWARD):
        body = {"data": {"name": text, "price": number + 0.1}}
        assert api.post("/v1/collections/dishes/records", body).status == 201


def _key(space: Space, principal: ServiceAccount | Agent, kind: KeyKind) -> str:
    minted = mint(
        tenant=space.ref,
        principal=principal,
        kind=kind,
        name="test",
        scopes=Scopes.everything(),
        expires_at=clock.now() + timedelta(days=400),
        minter=None,
    )
    return minted.secret


def fell(world: World) -> None:
    """Take every trace of oak out of this installation, as if it had never been here."""
    for tenant in Tenant.objects.filter(name__startswith="oak/"):
        stores.store().delete(lying(tenant.schema_name))
        with registry():
            tenant.delete()
        drop_schema(tenant.schema_name)
    with enter(world.console.ref):
        Application.objects.filter(slug="oak").delete()
    with owner_transaction(world.console.ref.schema_name) as cursor:
        cursor.execute(
            "delete from audit_touch where event_id in (select id from audit_event where edge = 'command')"
        )
        cursor.execute("delete from audit_event where edge = 'command'")
        cursor.execute("delete from events_event")


def lying(schema: str) -> list[str]:
    """The keys of what lies in the store of this machine for a tenant."""
    root = Path(stores.store().root)  # type: ignore[attr-defined]
    return sorted(str(path.relative_to(root)) for path in (root / schema).rglob("*") if path.is_file())


def command(*words: object) -> Any:
    """What `manage.py tenants …words --json` prints."""
    out = io.StringIO()
    call_command("tenants", *map(str, words), "--json", stdout=out)
    return json.loads(out.getvalue())


def refusal(*words: object) -> dict[str, Any]:
    """The problem with which the command is refused."""
    with pytest.raises(CommandError) as failure:
        command(*words)
    return failure.value.document  # type: ignore[attr-defined, no-any-return]


def manifest_of(archive: Path) -> dict[str, Any]:
    """What the archive says of itself."""
    return orjson.loads((archive / MANIFEST).read_bytes())  # type: ignore[no-any-return]


def forge(archive: Path, change: Callable[[dict[str, Any]], object] = lambda _manifest: None) -> None:
    """Change the manifest, and make all sums of the archive right again, as somebody would who means harm."""
    manifest = manifest_of(archive)
    for where in ("tables", "registry"):
        for name, part in manifest[where].items():
            content = (archive / where / name).read_bytes()
            sums = {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
            part.update(sums, rows=content.count(b"\n"))
    listed = (archive / "blobs.ndjson").read_bytes()
    sizes = [int(size) for size in re.findall(rb'"size":(\d+)', listed)]
    manifest["blobs"].update(sha256=hashlib.sha256(listed).hexdigest(), count=len(sizes), bytes=sum(sizes))
    change(manifest)
    manifest.pop("root", None)
    root = hashlib.sha256(orjson.dumps(manifest, option=orjson.OPT_SORT_KEYS)).hexdigest()
    (archive / MANIFEST).write_bytes(orjson.dumps({**manifest, "root": root}))


@contextmanager
def nothing_changes() -> Iterator[None]:
    """Hold that the block leaves no tenant, schema, role or bytes."""
    before = _everything()
    yield
    assert _everything() == before


def _everything() -> list[Any]:
    found: list[Any] = []
    with owner_transaction() as cursor:
        for statement in (
            "select nspname from pg_namespace where nspname like 't\\_%' order by 1",
            "select rolname from pg_roles order by 1",
            "select id, state from public.tenancy_tenant order by 1",
            "select id from public.apikeys_keyindex order by 1",
            "select id from public.tenancy_datakey order by 1",
        ):
            run(cursor, statement)
            found.append(cursor.fetchall())
    return [*found, lying("")]
