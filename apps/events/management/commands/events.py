"""`manage.py events VERB`: the room's operations, as the principal of PACKMULE_KEY, and the log as it grows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from apps.core.command_options import add_places, headers_of
from apps.core.local_api import LocalCall
from apps.core.room_commands import OperationsCommand, ask
from apps.events import following


class Command(OperationsCommand):
    """Made out of the operations `events.*`, with `follow`, which goes on until it is stopped."""

    help = "Operations on events: each verb is a call of the API; follow prints them as they come."
    room = "events"

    def add_verbs(self, verbs: Any) -> None:
        """`follow`."""
        follow = verbs.add_parser(
            "follow",
            help="Print events as they come, a line of JSON each; at the end, the cursor to go on from.",
        )
        follow.add_argument("--types", metavar="A,B", help="only these; job.* is all of job")
        follow.add_argument("--subject", metavar="ID", help="only what is about this")
        follow.add_argument("--after", metavar="CURSOR", default="latest", help="default: from now on")
        follow.add_argument("--count", type=int, metavar="N", help="stop after so many")
        follow.add_argument("--seconds", type=float, metavar="S", help="stop after so long")
        add_places(follow)

    def carry_out(self, options: Mapping[str, Any]) -> Any:
        """Print until it is enough, or somebody interrupts; the document says from where to go on."""
        headers = headers_of(options)
        chosen = {name: options[name] for name in ("types", "subject") if options[name]}

        def read(query: Mapping[str, str]) -> dict[str, Any]:
            return ask(LocalCall("GET", "/v1/events", query={**chosen, **query}, headers=headers))

        return following.follow(read, self._say, options["after"], options["count"], options["seconds"])

    def _say(self, line: str) -> None:
        self.stdout.write(line)
        self.stdout.flush()
