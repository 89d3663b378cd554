"""Every kind of credential, and what each may know of and write."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from apps.accounts.models import ServiceAccount
from apps.apikeys.minting import mint
from apps.apikeys.models import KeyIndex, KeyKind
from apps.core import clock
from apps.core.ids import decode
from apps.core.scopes import Scopes
from apps.tenancy.walls import enter, registry
from tests.sessions import session_cookie, session_token
from tests.world import Party, Space, World

API = "127.0.0.1"


@dataclass(frozen=True)
class Caller:
    """A credential, with the names of the cells that it may see and write, and whose things are its `own`.

    `knows` are cells of which it may see who they are, without touching anything there. `refused` is the status of
    every answer to it, where it opens nothing. `targets` are the cells whose things it tries to get at.
    """

    name: str
    key: str | None
    own: str
    reach: frozenset[str] = frozenset()
    knows: frozenset[str] = frozenset()
    targets: tuple[str, ...] = ()
    headers: dict[str, str] = field(default_factory=dict, hash=False)
    host: str = API
    refused: int | None = None

    def sends(self) -> dict[str, str]:
        """The headers of its calls."""
        credential = {} if self.key is None else {"Authorization": f"Bearer {self.key}"}
        return {"Host": self.host, **credential, **self.headers}


ENVIRONMENTS = (
    "acorn/north",
    "acorn/south",
    "acorn/tenant",
    "birch/north",
    "birch/south",
    "console/acorn",
    "console/birch",
)
CONSOLES = ("console/acorn", "console/birch", "console/tenant", "acorn/north")


def cells_in(space: str, *names: str) -> frozenset[str]:
    """Cells of one tenant by their bare names."""
    return frozenset(f"{space}/{name}" for name in names)


def everything_in(space: str) -> frozenset[str]:
    """All cells of a tenant."""
    parties = ("acorn", "birch") if space == "console" else ("north", "south")
    return cells_in(space, *parties, "tenant", "root", "stranger", "visitor", "place")


def all_callers(world: World) -> list[Caller]:
    """Everybody. Mints what the world lacks: call it in a transaction that will be rolled back."""
    return [
        *_of_environment(world),
        *_of_the_twin(world),
        *_of_console(world),
        *_refused(world),
    ]


def _of_environment(world: World) -> Iterator[Caller]:
    acorn, north = world.acorn, world.acorn.parties["north"]
    known = cells_in("acorn", "north", "place")
    yield Caller("the tenant", acorn.root_key, "acorn/north", everything_in("acorn"), targets=ENVIRONMENTS)
    for kind in ("service", "agent", "person", "viewer"):
        key = str(getattr(north, f"{kind}_key"))
        yield Caller(f"north's {kind}", key, "acorn/north", known, targets=ENVIRONMENTS)
    yield Caller(
        "south's agent", acorn.parties["south"].agent_key, "acorn/south", cells_in("acorn", "south", "place"),
        targets=("acorn/north",),
    )  # fmt: skip
    yield Caller(
        "the tenant on its own host", acorn.root_key, "acorn/north", everything_in("acorn"), host=acorn.host
    )
    yield Caller(
        "the tenant inside north", acorn.root_key, "acorn/north", known, cells_in("acorn", "root"),
        ("acorn/south", "acorn/tenant", "birch/north"), {"Packmule-Organization": north.id},
    )  # fmt: skip
    lonely = cells_in("acorn", "stranger", "place")
    yield Caller(
        "a stranger", acorn.stranger_key, "acorn/north", lonely, targets=("acorn/north", "birch/north")
    )
    seen = cells_in("acorn", "visitor", "place")
    yield Caller("a publishable key", acorn.publishable_key, "acorn/north", seen, targets=("acorn/north",))
    yield Caller(
        "Packmule-Key", None, "acorn/north", seen, targets=("acorn/north",),
        headers={"Packmule-Key": acorn.publishable_key},
    )  # fmt: skip
    yield Caller(
        "a cookie session", None, "acorn/north", known, targets=("acorn/south",), host=acorn.host,
        headers={"Cookie": session_cookie(acorn, north)},
    )  # fmt: skip
    signed_in = {"X-Session-Token": session_token(acorn, north)}
    yield Caller(
        "a session on its host",
        None,
        "acorn/north",
        known,
        targets=ENVIRONMENTS,
        host=acorn.host,
        headers=signed_in,
    )
    yield Caller(
        "a session with Packmule-Key", None, "acorn/north", known, targets=("acorn/south", "birch/north"),
        headers=signed_in | {"Packmule-Key": acorn.publishable_key},
    )  # fmt: skip


def _of_the_twin(world: World) -> Iterator[Caller]:
    """The other tenant, in which everything has the same id."""
    birch = world.birch
    yield Caller(
        "the twin tenant", birch.root_key, "birch/north", everything_in("birch"), targets=ENVIRONMENTS
    )
    yield Caller(
        "the twin's north", birch.parties["north"].agent_key, "birch/north", cells_in("birch", "north", "place"),
        targets=("acorn/north", "birch/south"),
    )  # fmt: skip


def _of_console(world: World) -> Iterator[Caller]:
    builders, rivals = world.builders, world.rivals
    own = cells_in("console", "acorn", "place")
    away = {"Packmule-Environment": world.acorn.name}
    knows_own = cells_in("acorn", "place")
    for kind in ("agent", "person", "viewer"):
        yield Caller(
            f"a builder's {kind}", str(getattr(builders, f"{kind}_key")), "console/acorn",
            own | everything_in("acorn"), knows_own, CONSOLES[:-1],
        )  # fmt: skip
    yield Caller(
        "a rival builder", rivals.agent_key, "console/birch",
        cells_in("console", "birch", "place") | everything_in("birch"), targets=CONSOLES,
    )  # fmt: skip
    yield Caller(
        "the console", world.console.root_key, "console/acorn",
        everything_in("console") | everything_in("acorn") | everything_in("birch"), targets=CONSOLES,
    )  # fmt: skip
    yield Caller("a stranger of the console", world.console.stranger_key, "console/acorn",
                 cells_in("console", "stranger", "place"), targets=("console/acorn",))  # fmt: skip
    yield Caller(
        "a builder in their environment", builders.agent_key, "acorn/north", everything_in("acorn"),
        cells_in("console", "acorn", "place"), ENVIRONMENTS[:5], away,
    )  # fmt: skip
    yield Caller(
        "a builder in their customer", builders.agent_key, "acorn/north", cells_in("acorn", "north", "place"),
        cells_in("console", "acorn", "place"), ("acorn/south", "acorn/tenant", "birch/north"),
        away | {"Packmule-Organization": world.acorn.parties["north"].id},
    )  # fmt: skip


def _refused(world: World) -> Iterator[Caller]:
    """Those that get nowhere, whatever they ask for. They may be told where their own key is at home."""
    acorn, console, north = world.acorn, world.console, world.acorn.parties["north"]
    there = {"Packmule-Environment": acorn.name}
    in_south = {"Packmule-Organization": acorn.parties["south"].id}
    with_rivals = {"Packmule-Organization": world.rivals.id}
    expired = dead_key(acorn, north, expires_at=clock.now() - timedelta(seconds=1))
    revoked = dead_key(acorn, north, revoked_at=clock.now())
    yield _nobody("nobody", None, 401)
    yield _nobody("an expired key", expired, 401, "acorn")
    yield _nobody("a revoked key", revoked, 401, "acorn")
    yield _nobody("a truncated key", north.agent_key[:-5], 401)
    yield _nobody("a key on the twin's host", acorn.root_key, 401, "acorn", host=world.birch.host)
    signed_in = {"X-Session-Token": session_token(acorn, north)}
    twins = {"Packmule-Key": world.birch.publishable_key}
    yield _nobody("a session on the twin's host", None, 401, headers=signed_in, host=world.birch.host)
    yield _nobody("a session with the twin's key", None, 401, "birch", signed_in | twins)
    yield _nobody("a session of no tenant", None, 400, headers=signed_in)
    yield _nobody("a rival in acorn's environment", world.rivals.agent_key, 404, "console", there)
    yield _nobody("the console's own key in an environment", console.root_key, 404, "console", there)
    yield _nobody("the twin in acorn's environment", world.birch.root_key, 404, "birch", there)
    yield _nobody("a publishable key elsewhere", console.publishable_key, 404, "console", there)
    yield _nobody("north's agent naming south", north.agent_key, 404, "acorn", in_south)
    yield _nobody("north's person naming south", north.person_key, 404, "acorn", in_south)
    yield _nobody("a builder naming a rival", world.builders.agent_key, 404, "console", with_rivals)


def _nobody(
    name: str,
    key: str | None,
    status: int,
    home: str = "",
    headers: dict[str, str] | None = None,
    host: str = API,
) -> Caller:
    """A caller whose every call is refused with `status`; `home` is the tenant that its key is of."""
    knows = cells_in(home, "place") if home else frozenset()
    return Caller(name, key, "acorn/north", knows=knows, headers=headers or {}, host=host, refused=status)


def dead_key(space: Space, party: Party, **changes: Any) -> str:
    """A key of the party's service account, whose index row is then changed."""
    with enter(space.ref):
        minted = mint(
            tenant=space.ref,
            principal=ServiceAccount.objects.get(pk=decode(party.service, "svc")),
            kind=KeyKind.SECRET,
            name="dead",
            scopes=Scopes.everything(),
            expires_at=clock.now() + timedelta(days=1),
            minter=None,
        )
    with registry():
        KeyIndex.objects.filter(pk=minted.key.pk).update(**changes)
    return minted.secret
