"""`manage.py records VERB`: the room's operations, as the principal of PACKMULE_KEY, and whole collections to files."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from apps.core.command_options import add_places, headers_of
from apps.core.local_api import LocalCall
from apps.core.room_commands import OperationsCommand, ask, ask_lines
from apps.data import moving


class Command(OperationsCommand):
    """Made out of the operations `records.*`, with `export` and `import` of any number of lines."""

    help = "Operations on records: each verb is a call of the API; export and import carry whole collections."
    room = "records"

    def add_verbs(self, verbs: Any) -> None:
        """`export COLLECTION FILE` and `import COLLECTION FILE`."""
        out = verbs.add_parser(
            "export", help="Write the records of a collection as lines of JSON; goes on where it broke off."
        )
        back = verbs.add_parser(
            "import", help="Take records as lines of JSON; taking the same lines twice changes nothing."
        )
        for parser in (out, back):
            parser.add_argument("collection")
            parser.add_argument("file", type=Path)
            add_places(parser)

    def carry_out(self, options: Mapping[str, Any]) -> Any:
        """Carry the lines; the document says how many there were, and which were refused."""
        headers, name = headers_of(options), options["collection"]
        if options["verb"] == "export":
            return moving.export(lambda query: _lines(headers, name, query), options["file"])
        return moving.take(lambda body: _taken(headers, name, body), options["file"])


def _lines(headers: Mapping[str, str], collection: str, query: Mapping[str, str]) -> bytes:
    path = f"/v1/collections/{collection}/records/export"
    return ask_lines(LocalCall("GET", path, query=query, headers=headers))


def _taken(headers: Mapping[str, str], collection: str, body: bytes) -> dict[str, Any]:
    path = f"/v1/collections/{collection}/records/import"
    return ask(LocalCall("POST", path, body=body, headers=headers, media_type=moving.MEDIA_TYPE))
