"""Who calls: a credential, and what it may know of and write."""

from __future__ import annotations

from dataclasses import dataclass, field

from apps.core.scopes import Scope, Scopes

API = "127.0.0.1"


@dataclass(frozen=True)
class Caller:
    """A credential, with the names of the cells that it may see and write, and whose things are its `own`.

    `knows` are cells of which it may see who they are, without touching anything there. `refused` is the status of
    every answer to it, where it opens nothing. `targets` are the cells whose things it tries to get at. `scopes` are
    all that it was given: whatever another scope is for is refused.
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
    scopes: tuple[str, ...] = ("*",)

    def sends(self) -> dict[str, str]:
        """The headers of its calls."""
        credential = {} if self.key is None else {"Authorization": f"Bearer {self.key}"}
        return {"Host": self.host, **credential, **self.headers}

    @property
    def shows_nothing(self) -> bool:
        """True for who comes to the API without a credential, whatever cookies they have."""
        return self.key is None and not self.headers.keys() - {"Cookie"}

    def holds(self, scope: Scope) -> bool:
        """True when its credential is good for that scope at all; everybody may ask who they are."""
        return Scopes.parse(["self:read", *self.scopes]).allow(scope)


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


def useless(
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
