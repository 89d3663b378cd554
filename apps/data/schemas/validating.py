"""Whether a record fits its schema: `is_valid`, and `violations` with all that is wrong."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from threading import Lock

import jsonschema_rs

from apps.data.schemas import engine
from apps.data.schemas.explaining import Explainer
from apps.data.schemas.keywords import JSON
from apps.data.schemas.sentences import Violation

__all__ = ["Violation", "is_valid", "violations"]

_CACHED = 256


@dataclass(frozen=True)
class _Compiled:
    """A schema made ready: the validator of the whole at once, those of its parts once a record was refused."""

    schema: JSON
    validator: jsonschema_rs.Draft202012Validator

    @cached_property
    def explainer(self) -> Explainer:
        """Return what finds all violations. Two threads may build it at once, and either will do."""
        return Explainer(self.schema, engine.compiled_parts(self.schema))


_compiled: OrderedDict[bytes, _Compiled] = OrderedDict()
_lock = Lock()


def is_valid(schema: JSON, data: JSON) -> bool:
    """Say whether `data` satisfies `schema`, one that check_schema accepted."""
    return _for(schema).validator.is_valid(data)


def violations(schema: JSON, data: JSON, *, limit: int = 20) -> list[Violation]:
    """Return what is wrong with `data`, at most `limit` violations in the order of the record; [] when it fits.

    `schema` is one that check_schema accepted. `pointer` is the JSON pointer (RFC 6901) into the record of what
    is wrong: of the member itself where it is missing (`required`) or not allowed (`additionalProperties`).
    """
    compiled = _for(schema)
    if compiled.validator.is_valid(data):
        return []
    return list(islice(compiled.explainer.violations(data), limit))


def _for(schema: JSON) -> _Compiled:
    """Return the compiled `schema` from the cache of the 256 that were used last."""
    text = engine.canonical(schema)
    digest = hashlib.sha256(text).digest()
    with _lock:
        if found := _compiled.get(digest):
            _compiled.move_to_end(digest)
            return found
    # Outside of the lock: compiling may take milliseconds, and doing it twice does no harm.
    made = _Compiled(engine.parsed(text), engine.compiled(schema))
    with _lock:
        _compiled[digest] = made
        while len(_compiled) > _CACHED:
            _compiled.popitem(last=False)
    return made
