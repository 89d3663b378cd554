"""One job in a worker's hands: its lease is kept alive by a thread, and what was done once is not done again."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Any

import httpx

from menugen.api import Api, Refused

logger = logging.getLogger("menugen")


class NotOurs(Exception):  # noqa: N818 - what is so, no error
    """The lease is lost, and somebody else has the job by now: drop it and say nothing."""


class Cancelled(Exception):  # noqa: N818
    """Somebody wants the job to be given up."""


class Task:
    """A claimed job. `api` acts in the job's organization, on behalf of the person who began it all."""

    def __init__(self, api: Api, claim: dict[str, Any], lease_seconds: float) -> None:
        self.job = claim["job"]
        self.api = api.acting(**_acting_for(self.job))
        self._own = api
        self._token = claim["lease"]["token"]
        self._every = lease_seconds / 3
        self._over = threading.Event()
        self._cancelled = False
        self._keeper = threading.Thread(target=self._keep, daemon=True)

    def __enter__(self) -> Task:
        """Begin to keep the lease."""
        self._keeper.start()
        return self

    def __exit__(
        self, _type: type[BaseException] | None, _value: BaseException | None, _trace: TracebackType | None
    ) -> None:
        """Let go of it."""
        self._over.set()

    @property
    def payload(self) -> dict[str, Any]:
        """What whoever enqueued the job has to say."""
        return dict(self.job["payload"])

    def say(self, progress: float, message: str) -> None:
        """Tell how far it is, for whoever watches. Raises NotOurs and Cancelled."""
        self._beat(progress=progress, message=message)
        if self._cancelled:
            raise Cancelled("It was stopped.")

    def step(self, name: str, make: Callable[[], Any]) -> Any:
        """What `make` came to in this or an earlier attempt. Raises NotOurs."""
        done = self._done()
        if name in done:
            return done[name]
        return self._tell("PUT", f"steps/{name}", result=make())["result"]

    def once(self, what: str) -> str:
        """A key for a call that this job makes once, whichever attempt gets there."""
        return f"{self.job['id']}-{what}"

    def complete(self, result: Any) -> None:
        """It is done. Raises NotOurs."""
        self._tell("POST", "complete", result=result)

    def fail(self, error: Exception, *, retryable: bool) -> None:
        """It went wrong. Raises NotOurs."""
        said = {"type": type(error).__name__, "message": str(error)[:500]}
        self._tell("POST", "fail", error=said, retryable=retryable)

    def _done(self) -> dict[str, Any]:
        """The steps of earlier attempts."""
        if self.job["attempt"] == 1:
            return {}
        return {step["name"]: step["result"] for step in self._own.get(self._path("steps"))["data"]}

    def _keep(self) -> None:
        while not self._over.wait(self._every):
            try:
                self._beat()
            except (Refused, httpx.TransportError) as failure:
                logger.warning("%s: no heartbeat: %s", self.job["id"], failure)
            except NotOurs:
                return

    def _beat(self, **said: Any) -> None:
        if self._tell("POST", "heartbeat", **said)["cancel"]:
            self._cancelled = True

    def _tell(self, method: str, what: str, **said: Any) -> Any:
        call = self._own.put if method == "PUT" else self._own.post
        try:
            return call(self._path(what), {"lease_token": self._token, **said})
        except Refused as refusal:
            if refusal.code != "lease_lost":
                raise
            raise NotOurs(refusal.detail) from None

    def _path(self, what: str) -> str:
        return f"/v1/jobs/{self.job['id']}/{what}"


def _acting_for(job: dict[str, Any]) -> dict[str, str]:
    """Headers by which a call is made in the job's organization, for the person at the beginning of the chain."""
    by = job["enqueued_by"]
    person = by.get("on_behalf_of") or by
    return {"Packmule_Organization": job["organization"], "Packmule_On_Behalf_Of": person["id"]}
