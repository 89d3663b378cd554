"""Scopes: `resource:action[@selector]`, what a credential or a role may ask for.

`*` stands for everything, `resource:*` for every action on a resource; an action `write` includes `read`. A scope
without a selector covers every selector, one with a selector covers only that one.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass

SCOPE_PATTERN = r"\*|[a-z][a-z0-9_-]{0,39}:(?:\*|[a-z][a-z0-9_-]{0,39})(?:@[A-Za-z0-9_./-]{1,80})?"
_SCOPE = re.compile(SCOPE_PATTERN)


class ScopeError(ValueError):
    """A text that is no scope. `str()` says which and what a scope looks like."""


@dataclass(frozen=True, slots=True)
class Scope:
    """One parsed scope."""

    resource: str
    action: str = "*"
    selector: str = ""

    @classmethod
    def parse(cls, text: str) -> "Scope":
        """Parse `text`. Raises ScopeError when it is not of the form `resource:action[@selector]` or `*`."""
        if not _SCOPE.fullmatch(text):
            raise ScopeError(
                f"'{text[:80]}' is not a scope; write resource:action, such as applications:write, or *."
            )
        if text == "*":
            return cls("*")
        resource, _, rest = text.partition(":")
        action, _, selector = rest.partition("@")
        return cls(resource, action, selector)

    def __str__(self) -> str:
        if self.resource == "*":
            return "*"
        return f"{self.resource}:{self.action}" + (f"@{self.selector}" if self.selector else "")

    def covers(self, other: "Scope") -> bool:
        """True when whoever holds this scope may do all that `other` allows."""
        if self.resource == "*":
            return True
        if self.resource != other.resource:
            return False
        includes = self.action in ("*", other.action) or (self.action == "write" and other.action == "read")
        return includes and self.selector in ("", other.selector)

    def shared_with(self, other: "Scope") -> "Scope | None":
        """The widest scope that both cover; None where there is none."""
        if self.covers(other) or other.covers(self):
            return other if self.covers(other) else self
        narrow = {self.action, other.action} - {"*"}
        if self.resource != other.resource or (self.selector and other.selector not in ("", self.selector)):
            return None
        if len(narrow) > 1 and narrow != {"read", "write"}:
            return None
        action = "read" if "read" in narrow else next(iter(narrow), "*")
        return Scope(self.resource, action, self.selector or other.selector)


class Scopes(frozenset[Scope]):
    """A set of scopes, held together."""

    @classmethod
    def parse(cls, texts: Iterable[str]) -> "Scopes":
        """Parse each text. Raises ScopeError at the first that is not a scope."""
        return cls(Scope.parse(text) for text in texts)

    @classmethod
    def everything(cls) -> "Scopes":
        """What `*` grants."""
        return cls({Scope("*")})

    def allow(self, needed: Scope) -> bool:
        """True when one of the held scopes covers `needed`."""
        return any(scope.covers(needed) for scope in self)

    def missing_from(self, held: "Scopes") -> list[str]:
        """Those of this set that `held` does not cover, as sorted texts: what a minter may not hand on."""
        return sorted(str(scope) for scope in self if not held.allow(scope))

    def shared_with(self, other: "Scopes") -> "Scopes":
        """What both allow: of each pair of scopes the part that they have in common."""
        pairs = (mine.shared_with(theirs) for mine in self for theirs in other)
        return Scopes(shared for shared in pairs if shared is not None)

    def texts(self) -> list[str]:
        """The scopes as sorted texts, as they are stored and shown."""
        return sorted(str(scope) for scope in self)
