"""The trail, told: what happened to a menu, who did it and for whom, and the story of the dish that failed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from menugen.api import Api

from demo.telling import WentWrong
from demo.watching import Watch

Line = tuple[str, str]


def tell(api: Api, watch: Watch, menu: str) -> Iterator[str]:
    """Lines to read, in the order in which things happened. Raises WentWrong where the trail says less."""
    yield f"The menu ({menu}), from its timeline:"
    rows = api.get(f"/v1/timeline/{menu}")["data"]
    if not any(row["on_behalf_of"] for row in rows):
        raise WentWrong("The trail of the menu does not say for whom the artist acted.")
    yield from _in_order([(row["at"], f"{row['operation']} by {_who(row)}") for row in rows])
    yield "The job that read it:"
    yield from _in_order([*_events(api, watch.reader), *_attempts(watch, watch.reader)])
    failed = next((job["id"] for job in watch.jobs if _has_failed(watch, job)), None)
    if failed is None:
        raise WentWrong("No dish failed at first, although the brush fell.")
    yield "The dish that failed at first:"
    yield from _in_order([*_events(api, failed), *_attempts(watch, failed)])


def _in_order(lines: list[Line]) -> Iterator[str]:
    for at, what in sorted(lines):
        yield f"  {at[11:23]}  {what}"


def _events(api: Api, job: str) -> list[Line]:
    found = api.get("/v1/events", subject=job)["data"]
    return [(event["at"], f"{event['type']}, said by {_who(event)}") for event in found]


def _attempts(watch: Watch, job: str) -> list[Line]:
    """When each attempt began, what its worker said on the way, and how it ended."""
    lines = []
    for one in watch.attempts(job):
        name = f"attempt {one['number']}"
        error = (one["error"] or {}).get("message")
        lines.append((one["started_at"], f"{name} is begun by {one['worker']}"))
        lines += [(said["at"], f"{name}: {said['message']}") for said in one["messages"]]
        lines.append((one["ended_at"], f"{name} {one['state']}" + (f": {error}" if error else "")))
    return lines


def _who(row: dict[str, Any]) -> str:
    for_whom = f" for {row['on_behalf_of']['name']}" if row["on_behalf_of"] else ""
    return f"{row['actor']['name']}{for_whom}"


def _has_failed(watch: Watch, job: dict[str, Any]) -> bool:
    return job["attempt"] > 1 and any(one["state"] == "failed" for one in watch.attempts(job["id"]))
