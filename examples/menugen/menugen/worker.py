"""MenuGen's worker: a process of its own that asks for work. Start as many as you like, and kill any at any moment.

python -m menugen.worker
"""

from __future__ import annotations

import logging
import os
import signal
import threading
from collections.abc import Mapping
from typing import Any

import httpx

from menugen import settings
from menugen.api import Api, Refused
from menugen.task import NotOurs, Task
from menugen.work import FINAL, Handler, handlers

logger = logging.getLogger("menugen")
#: Reading is heavy, painting is light: how many jobs of each queue one process does at a time.
THREADS = {"menus": 1, "dishes": 3}
#: As long a silence as can be borne: a job of a worker that died is given to another one after it.
LEASE_SECONDS = 8
_WAIT_SECONDS = 3
_REST_SECONDS = 0.5


class Worker:
    """Threads that claim jobs and do them by `work`, which says for each kind what is to be done."""

    def __init__(self, api: Api, work: Mapping[str, Handler]) -> None:
        self.api, self.work = api, work
        self.name = f"menugen-{os.getpid()}"
        self.stopping = threading.Event()

    def run(self) -> None:
        """Work until `stopping`, and end what is in hand."""
        threads = [
            threading.Thread(target=self._ask, args=[queue])
            for queue, count in THREADS.items()
            for _ in range(count)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def _ask(self, queue: str) -> None:
        while not self.stopping.is_set():
            try:
                claims = self._claim(queue)
            except (Refused, httpx.TransportError) as failure:
                logger.warning("nothing to be had of %s: %s", queue, failure)
                claims = []
            for claim in claims:
                self._do(claim)
            if not claims:
                self.stopping.wait(_REST_SECONDS)

    def _claim(self, queue: str) -> list[dict[str, Any]]:
        wish = {"worker": self.name, "lease_seconds": LEASE_SECONDS, "wait_seconds": _WAIT_SECONDS}
        return list(self.api.post(f"/v1/queues/{queue}/claims", wish)["data"])

    def _do(self, claim: dict[str, Any]) -> None:
        with Task(self.api, claim, LEASE_SECONDS) as task:
            try:
                self._finish(task)
            except (NotOurs, Refused, httpx.TransportError) as end:
                logger.warning("%s: dropped: %s", task.job["id"], end)

    def _finish(self, task: Task) -> None:
        """Do the job and say how it ended."""
        try:
            result = self.work[task.job["kind"]](task)
        except NotOurs:
            raise
        except FINAL as reason:
            task.fail(reason, retryable=False)
        except Refused as refusal:
            task.fail(refusal, retryable=refusal.retryable)
        except Exception as failure:  # whatever it was, another attempt may go better
            logger.exception("%s failed", task.job["id"])
            task.fail(failure, retryable=True)
        else:
            task.complete(result)


def run(work: Mapping[str, Handler]) -> None:
    """Work with the key that `settings` keeps until SIGTERM."""
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(message)s")
    known = settings.load()
    worker = Worker(Api(known.url, {"Authorization": f"Bearer {known.worker_key}"}), work)
    signal.signal(signal.SIGTERM, lambda *_: worker.stopping.set())
    worker.run()


if __name__ == "__main__":
    run(handlers())
