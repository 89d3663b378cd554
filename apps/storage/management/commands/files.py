"""`manage.py files VERB`: the room's operations, as the principal of PACKMULE_KEY, and whole files there and back."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from apps.core.command_options import add_places, headers_of
from apps.core.commands import BadUsage
from apps.core.local_api import LocalCall
from apps.core.room_commands import OperationsCommand, ask
from apps.storage import transfer


class Command(OperationsCommand):
    """Made out of the operations `files.*`, with `upload` and `download`, which carry the bytes too."""

    help = "Operations on files: each verb is a call of the API; upload and download carry the bytes too."
    room = "files"

    def add_verbs(self, verbs: Any) -> None:
        """`upload PATH --bucket B`, `upload PATH --resume ID` and `download ID PATH`."""
        up = verbs.add_parser(
            "upload", help="Send a file of this machine, whole or in parts, and complete it."
        )
        up.add_argument("path", type=Path)
        where = up.add_mutually_exclusive_group(required=True)
        where.add_argument("--bucket", metavar="NAME", help="the bucket's name, or its id")
        where.add_argument(
            "--resume", metavar="FILE_ID", help="go on with an upload that broke off, instead of a new file"
        )
        up.add_argument("--name", metavar="NAME", help="another name than the file has here")
        up.add_argument("--content-type", metavar="TYPE", help="without it, what the name says")
        down = verbs.add_parser("download", help="Write the bytes of a file to this machine.")
        down.add_argument("file", metavar="FILE_ID")
        down.add_argument("path", type=Path)
        for parser in (up, down):
            add_places(parser)

    def carry_out(self, options: Mapping[str, Any]) -> Any:
        """Carry the file there or back; the document is the file."""
        asking = partial(_ask, headers_of(options))
        if options["verb"] == "download":
            return transfer.download(asking, options["file"], options["path"])
        given = {name: options[name] for name in ("bucket", "name", "content_type") if options[name]}
        if not options["resume"]:
            return transfer.upload(asking, options["path"], given, self._say)
        if given:
            raise BadUsage(
                "--resume goes on with a file as it was announced; leave --name and --content-type out."
            )
        return transfer.resume(asking, options["path"], options["resume"], self._say)

    def _say(self, line: str) -> None:
        self.stderr.write(line, self.style.NOTICE)
        self.stderr.flush()


def _ask(
    headers: Mapping[str, str], method: str, path: str, body: Mapping[str, Any] | None
) -> dict[str, Any]:
    return ask(LocalCall(method, path, body=body, headers=headers))
