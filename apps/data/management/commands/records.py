"""`manage.py records VERB`: the room's operations, as the principal of PACKMULE_KEY, and whole collections to files."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from apps.core.command_options import add_places, headers_of, places_of
from apps.core.commands import BadUsage
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
            "import",
            help="Take records as lines of JSON; lines with an id can be taken again, which changes nothing.",
        )
        back.add_argument(
            "--from-line", type=int, default=1, metavar="N", help="where one that broke off goes on"
        )
        back.add_argument(
            "--run", metavar="NAME", help="the one that broke off: what was taken unheard is not taken again"
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
        if options["from_line"] < 1:
            raise BadUsage("--from-line counts the lines of the file from 1 on.")
        again = shlex.join(
            ["manage.py", "records", "import", name, str(options["file"]), *places_of(options)]
        )
        run = {"run": options["run"]} if options["run"] else {}
        return moving.Import(
            partial(_taken, headers, name), options["file"], again, self._say, options["from_line"], **run
        ).carry_out()

    def _say(self, line: str) -> None:
        self.stderr.write(line, self.style.NOTICE)
        self.stderr.flush()


def _lines(headers: Mapping[str, str], collection: str, query: Mapping[str, str]) -> bytes:
    path = f"/v1/collections/{collection}/records/export"
    return ask_lines(LocalCall("GET", path, query=query, headers=headers))


def _taken(headers: Mapping[str, str], collection: str, body: bytes, key: str) -> dict[str, Any]:
    path, once = f"/v1/collections/{collection}/records/import", {**headers, "Idempotency-Key": key}
    return ask(LocalCall("POST", path, body=body, headers=once, media_type=moving.MEDIA_TYPE))
