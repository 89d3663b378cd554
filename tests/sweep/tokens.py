"""Callers with what a tenant's authorization server gives to programs: tokens, codes of devices, and clients' secrets.

Tokens that open something were got as a program gets them. Those that open nothing are written as they would have
been, with the one thing wrong that each is about.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from apps.accounts.oauth import audiences, texts
from apps.accounts.oauth.models import OAuthClient
from apps.core import clock
from apps.core.ids import encode
from apps.tenancy.walls import enter
from tests.oauth import DEVICE_GRANT, Browser, Program, give, register
from tests.sessions import session_token
from tests.sweep.callers import ENVIRONMENTS, Caller, cells_in, everything_in, useless
from tests.sweep.keys import suspended
from tests.world import Party, Space, World, same_id

SECRET = "the made up secret of a client"
#: What the narrowed tokens were given.
NARROW = ("users:read", "agents:write")


def callers(world: World) -> Iterator[Caller]:
    """All of them."""
    yield from _of_people(world)
    yield from _of_machines(world)
    yield from _of_the_twin(world)
    yield from _of_the_console(world)
    yield from _useless_tokens(world)
    yield from _misplaced(world)
    yield from _codes(world)


def program_of(space: Space, party: Party | None = None, *, machine: bool = False) -> Program:
    """A confidential client of the party, or of the tenant; by one and the same id in every tenant."""
    whose = f"{party.slug if party else 'tenant'}:{machine}"
    grants = ["client_credentials"] if machine else ["authorization_code", "refresh_token"]
    identity = same_id(f"sweep:program:{whose}")
    with enter(space.ref):
        if not OAuthClient.objects.filter(pk=identity).exists():
            register(party, id=identity, secret=SECRET, machine=machine, grants=grants)
    return Program(space, encode("oac", identity), SECRET)


def let_in(space: Space, party: Party, *scopes: str, bound: bool = False) -> str:
    """The access token of a program that the party's person let in."""
    program = program_of(space, party if bound else None)
    code = program.code(Browser.of(space, party), " ".join(scopes), scopes=list(scopes))
    return str(program.exchange(code)["access_token"])


def device_token(space: Space, party: Party, *scopes: str) -> str:
    """The access token of a device that the party's person let in."""
    program = Program(space, "packmule-cli")
    codes = program.device(" ".join(scopes))
    Browser.of(space, party).approve(codes["user_code"], *scopes)
    return str(program.token(DEVICE_GRANT, device_code=codes["device_code"])["access_token"])


def _of_people(world: World) -> Iterator[Caller]:
    acorn, north = world.acorn, world.acorn.parties["north"]
    known = cells_in("acorn", "north", "place")
    token = let_in(acorn, north, "*")
    yield Caller("a program of north's person", token, "acorn/north", known, targets=ENVIRONMENTS)
    yield Caller(
        "a program on the tenant's host", token, "acorn/north", known,
        targets=("acorn/south", "birch/north"), host=acorn.host,
    )  # fmt: skip
    yield Caller(
        "a program of north", let_in(acorn, north, "*", bound=True), "acorn/north", known,
        targets=("acorn/south", "birch/north"),
    )  # fmt: skip
    yield Caller(
        "a narrowed device of north's person", device_token(acorn, north, *NARROW), "acorn/north", known,
        targets=("acorn/south", "birch/north"), scopes=NARROW,
    )  # fmt: skip


def _of_machines(world: World) -> Iterator[Caller]:
    """Programs with no person behind them: they act as the service account that their client names."""
    acorn, north = world.acorn, world.acorn.parties["north"]
    known = cells_in("acorn", "north", "place")
    program = program_of(acorn, north, machine=True)
    token = program.token("client_credentials", scope="*")["access_token"]
    yield Caller("a machine's token", token, "acorn/north", known, targets=ENVIRONMENTS)
    narrow = program.token("client_credentials", scope=" ".join(NARROW))["access_token"]
    yield Caller(
        "a machine's narrowed token", narrow, "acorn/north", known,
        targets=("acorn/south", "birch/north"), scopes=NARROW,
    )  # fmt: skip


def _of_the_twin(world: World) -> Iterator[Caller]:
    """The same clients, of the same people, in the other tenant."""
    birch = world.birch
    north = birch.parties["north"]
    known = cells_in("birch", "north", "place")
    yield Caller(
        "a program of the twin's north", let_in(birch, north, "*"), "birch/north", known,
        targets=("acorn/north", "birch/south"),
    )  # fmt: skip


def _of_the_console(world: World) -> Iterator[Caller]:
    builders, away = world.builders, {"Packmule-Environment": world.acorn.name}
    token = device_token(world.console, builders, "*")
    own = cells_in("console", "acorn", "place")
    yield Caller(
        "a builder's device", token, "console/acorn", own | everything_in("acorn"),
        targets=("console/birch", "console/tenant", "birch/north"),
    )  # fmt: skip
    yield Caller(
        "a builder's device in their environment", token, "acorn/north", everything_in("acorn"), own,
        ("birch/north", "console/birch"), away,
    )  # fmt: skip


def _useless_tokens(world: World) -> Iterator[Caller]:
    """Tokens that are over, were ended, or were never meant for the API."""
    acorn, person = world.acorn, world.acorn.parties["north"].person
    over = clock.now() - timedelta(seconds=1)
    identity, twins = audiences.identity_of(acorn.ref.id), audiences.api_of(world.birch.ref.id)
    made = {
        "an expired token": give(acorn, ["*"], user=person, expires_at=over),
        "a token from before a new password": give(acorn, ["*"], user=person, begun_with="another"),
        "a token without the API's audience": give(acorn, ["openid"], user=person, audience=identity),
        "a token for the twin's API": give(acorn, ["*"], user=person, audience=twins),
        "a refresh token": give(acorn, ["*"], user=person, kind=texts.REFRESH),
        "a suspended person's token": give(acorn, ["*"], user=suspended(acorn).public_id),
        "a token of nobody": give(acorn, ["*"]),
        "a token that nobody gave": texts.access_token(acorn.ref.id),
        "a client's secret": texts.client_secret(acorn.ref.id, same_id("sweep:program:tenant:False")),
    }
    for name, text in made.items():
        yield useless(name, text, 401)
    identity_token = _identity_token(acorn)
    yield useless("an id token", identity_token, 401)
    for space in (acorn, world.birch):
        shown = {"X-Session-Token": identity_token}
        yield useless(f"an id token as a session of {space.name}", None, 401, headers=shown, host=space.host)
    revoked = give(acorn, ["*"], user=person)
    Program(acorn, "packmule-cli").call("revoke", token=revoked)
    yield useless("a revoked token", revoked, 401)


def _misplaced(world: World) -> Iterator[Caller]:
    """Tokens that are good, shown where they are none, or for somebody else."""
    acorn, birch = world.acorn, world.birch
    north, south = acorn.parties["north"], acorn.parties["south"]
    token = give(acorn, ["*"], user=north.person)
    twins = give(birch, ["*"], user=birch.parties["north"].person)
    yield useless("a token on the twin's host", token, 401, host=birch.host)
    yield useless("the twin's token on this host", twins, 401, host=acorn.host)
    yield useless("a token on the console's host", token, 401, host=world.console.host)
    for name, header, value, status in (
        ("a token in the twin", "Packmule-Environment", birch.name, 404),
        ("a token naming south", "Packmule-Organization", south.id, 404),
        ("a token on behalf of south's person", "Packmule-On-Behalf-Of", south.person, 403),
    ):
        yield useless(name, token, status, headers={header: value})
    rivals = give(world.console, ["*"], user=world.rivals.person)
    away = {"Packmule-Environment": acorn.name}
    yield useless("a rival's token in acorn's environment", rivals, 404, headers=away)
    yield useless("a token as a session", None, 401, headers={"X-Session-Token": token}, host=acorn.host)
    yield useless("a token as Packmule-Key", None, 401, headers={"Packmule-Key": token})
    yield useless("a session as a token", session_token(acorn, north), 401)


def _codes(world: World) -> Iterator[Caller]:
    """What is exchanged for a token is none, whether a person has let the device in or not."""
    acorn, north = world.acorn, world.acorn.parties["north"]
    program, browser = Program(acorn, "packmule-cli"), Browser.of(acorn, north)
    pending, approved = program.device("*"), program.device("*")
    browser.approve(approved["user_code"], "*")
    shown = {
        "a device's code": pending["device_code"],
        "the code of a device that was let in": approved["device_code"],
        "what a device shows": approved["user_code"],
        "an authorization code": program_of(acorn, acorn.parties["south"]).code(
            Browser.of(acorn, acorn.parties["south"]), "*", scopes=["*"]
        ),
    }
    for name, text in shown.items():
        yield useless(name, text, 401)
        yield useless(f"{name} as a session", None, 401, headers={"X-Session-Token": text}, host=acorn.host)


def _identity_token(space: Space) -> str:
    """What tells a program who the person is: signed by the tenant, and good for nothing here."""
    program, north = program_of(space, space.parties["north"]), space.parties["north"]
    return str(program.exchange(program.code(Browser.of(space, north), "openid"))["id_token"])
