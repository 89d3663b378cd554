"""A product's worker in a process of its own: claims over HTTP, does what the kind says, and writes down what it did.

Its standard input is one line of JSON: url, keys, queue, name, ledger, and `limit` jobs at a time.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
import uuid
from typing import Any

import httpx

_TRIES, _PAUSE = 200, 0.1


class Puller:
    """One worker. `say` appends a line to its ledger, which outlives the process."""

    def __init__(self, wishes: dict[str, Any]) -> None:
        self.wishes = wishes
        self.ledger = os.open(wishes["ledger"], os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        self.client = httpx.Client(base_url=wishes["url"], timeout=30)

    def say(self, *what: Any) -> None:
        os.write(self.ledger, json.dumps([time.time(), *what]).encode() + b"\n")

    def work(self) -> None:
        """Ask each tenant in turn, for ever."""
        while True:
            found = [self.claim(key) for key in self.wishes["keys"]]
            if not any(found):
                time.sleep(_PAUSE)

    def claim(self, key: str) -> int:
        body = {"limit": self.wishes.get("limit", 20), "worker": self.wishes["name"], "wait_seconds": 0.2}
        answer = self.post(f"/v1/queues/{self.wishes['queue']}/claims", key, body)
        if answer is None or answer.status_code != 200:
            time.sleep(_PAUSE)
            return 0
        held = answer.json()["data"]
        for each in held:
            self.say("claimed", each["job"]["id"], each["job"]["attempt"])
        for each in held:
            self.do(key, each["job"], each["lease"]["token"])
        return len(held)

    def do(self, key: str, job: dict[str, Any], token: str) -> None:
        """Do one job as its kind says."""
        kind, attempt, said = job["kind"], job["attempt"], job["payload"]
        if kind == "poison":
            os.kill(os.getpid(), signal.SIGKILL)
        if kind == "stubborn":
            self.post(f"/v1/jobs/{job['id']}/heartbeat", key, {"lease_token": token, "message": "on and on"})
        time.sleep(said.get("first_seconds", 0) if attempt == 1 else said.get("seconds", 0))
        if kind == "final" or (kind == "failing" and attempt == 1):
            error = {"type": "Broken", "message": f"attempt {attempt}"}
            self.end(key, job, "fail", {"lease_token": token, "error": error, "retryable": kind == "failing"})
        else:
            self.end(key, job, "complete", {"lease_token": token, "result": {"attempt": attempt}})

    def end(self, key: str, job: dict[str, Any], verb: str, body: dict[str, Any]) -> None:
        """Say how it ended until there is an answer, with one key for all tries."""
        headers = {"Idempotency-Key": str(uuid.uuid4())}
        for _ in range(_TRIES):
            answer = self.post(f"/v1/jobs/{job['id']}/{verb}", key, body, headers)
            if answer is not None and not _is_to_be_repeated(answer):
                code = "" if answer.status_code == 200 else answer.json()["code"]
                self.say("ended", job["id"], job["attempt"], verb, answer.status_code, code)
                return
            time.sleep(_PAUSE)
        self.say("given up", job["id"], job["attempt"])

    def post(
        self, path: str, key: str, body: dict[str, Any], headers: dict[str, str] | None = None
    ) -> httpx.Response | None:
        """The answer; None where there is none."""
        try:
            return self.client.post(
                path, json=body, headers={"Authorization": f"Bearer {key}", **(headers or {})}
            )
        except httpx.HTTPError:
            return None


def _is_to_be_repeated(answer: httpx.Response) -> bool:
    return answer.status_code >= 500 or (answer.status_code == 409 and bool(answer.json().get("retryable")))


if __name__ == "__main__":
    Puller(json.loads(sys.stdin.readline())).work()
