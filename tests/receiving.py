"""A receiver on loopback that answers as a test wants, and a worker that does what is due."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from standardwebhooks.webhooks import Webhook

from apps.jobs import settling
from apps.jobs.inside import performing
from apps.jobs.leases import place_of
from apps.jobs.registry import Dispatch
from apps.jobs.sweeping import sweep
from apps.jobs.turns import wake
from apps.tenancy.walls import enter, outside
from tests.standins.outside import Asked, Outside, Page, Say, answer
from tests.standins.outside import outside as outside_server


@dataclass
class Receiver:
    """Remembers what came, and answers with `page`."""

    server: Outside
    page: Page
    pages: dict[str, Page] = field(default_factory=dict)

    def url(self, path: str = "/hook", host: str = "127.0.0.1") -> str:
        """Where it listens."""
        return self.server.url(path, host)

    @property
    def got(self) -> list[Asked]:
        """What came, in order."""
        return self.server.asked

    @property
    def events(self) -> list[dict[str, Any]]:
        """The bodies of what came."""
        return [json.loads(asked.body) for asked in self.got]


@contextmanager
def receiving() -> Iterator[Receiver]:
    """A receiver that says 200 until it is told otherwise; under other paths, what `pages` says."""
    with outside_server({}) as server:
        made = Receiver(server, answer(b"thanks"))

        def page(asked: Asked, say: Say) -> None:
            made.pages.get(asked.target, made.page)(asked, say)

        server.pages = _Everything(page)
        yield made


class _Everything(dict[str, Page]):
    """One page under every path."""

    def __init__(self, page: Page) -> None:
        super().__init__()
        self.page = page

    def get(self, *_: Any) -> Page:
        return self.page


def verified(secret: str, asked: Asked) -> dict[str, Any]:
    """What came, after `standardwebhooks` found its signature good."""
    found: dict[str, Any] = Webhook(secret).verify(asked.body.decode(), asked.headers)
    return found


def work(rounds: int = 50) -> int:
    """Do what is due now, as a worker does it; returns how many jobs that were."""
    sweep()
    with outside():
        ready = list(Dispatch.objects.filter(state="ready"))
    # What commits would have woken, had the test's transaction done so.
    wake([(place_of(row), row.runner) for row in ready])
    done = 0
    for _ in range(rounds):
        held, there = performing.take(10, "test")
        for each in held:
            outcome = performing.perform(each)
            if outcome is not None:
                with enter(each.tenant):
                    settling.settle(None, [outcome])
            done += 1
        if not there:
            break
    return done
