"""MenuGen's client, and what it makes of leases and signatures, against a server that answers what a test wants."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import pytest
from menugen.api import Api, Refused
from menugen.task import Cancelled, NotOurs, Task
from menugen.webhooks import is_genuine

from tests.standins.outside import Asked, Outside, Page, Say, answer, outside

PROBLEM = "application/problem+json"
JOB = {
    "id": "job_1",
    "attempt": 2,
    "organization": "org_1",
    "payload": {},
    "enqueued_by": {"id": "agt_1", "on_behalf_of": {"id": "usr_1"}},
}


@contextmanager
def platform(pages: dict[str, Page], patience: float = 5) -> Iterator[tuple[Outside, Api]]:
    """A stand-in for the platform, and a client of it."""
    with outside(pages) as server:
        api = Api(server.url("").rstrip("/"), {"Authorization": "Bearer key"}, patience=patience)
        try:
            yield server, api
        finally:
            api.close()


def says(said: Any, status: str = "200 OK") -> Page:
    kind = PROBLEM if isinstance(said, dict) and "code" in said else "application/json"
    return answer(json.dumps(said).encode(), status, Content_Type=kind)


def in_turn(*pages: Page) -> Page:
    """The pages, one for each call; the last one for all others."""
    left = list(pages)

    def page(asked: Asked, say: Say) -> None:
        (left.pop(0) if len(left) > 1 else left[0])(asked, say)

    return page


def refusal(code: str, status: str, *, retryable: bool = False) -> Page:
    return says({"code": code, "detail": "No.", "retryable": retryable}, status)


def test_what_may_go_better_is_repeated_under_the_same_key() -> None:
    page = in_turn(refusal("busy", "503 Busy", retryable=True), says({"id": "job_1"}, "201 Created"))
    with platform({"/v1/jobs": page}) as (server, api):
        assert api.post("/v1/jobs", {"kind": "soup"}) == {"id": "job_1"}
        first, second = server.asked
        assert first.headers["idempotency-key"] == second.headers["idempotency-key"]


def test_a_refusal_that_is_final_is_raised_at_once_with_its_words() -> None:
    with platform({"/v1/jobs": refusal("job_key_reused", "422 No")}) as (server, api):
        with pytest.raises(Refused, match="job_key_reused: No") as raised:
            api.post("/v1/jobs")
        assert (raised.value.status, raised.value.retryable, len(server.asked)) == (422, False, 1)


def test_patience_ends() -> None:
    with outside({}) as server:
        url = server.url("").rstrip("/")
    api = Api(url, {}, patience=0.3)
    with pytest.raises(httpx.TransportError):
        api.get("/v1/whoami")
    api.close()


def test_bytes_go_to_the_store_without_the_key() -> None:
    with outside({"/put": answer(b"")}) as store:
        announced = {
            "id": "file_1",
            "upload": {"method": "PUT", "url": store.url("/put"), "headers": {"A": "b"}},
        }
        pages = {"/v1/files": says(announced, "201 Created"), "/v1/files/file_1/complete": says({})}
        with platform(pages) as (_, api):
            assert api.upload("photos", "a.jpg", "image/jpeg", b"bytes") == "file_1"
    (sent,) = store.asked
    assert (sent.body, sent.headers["a"], sent.headers.get("authorization")) == (b"bytes", "b", None)


def test_a_page_of_a_list_leads_to_the_next() -> None:
    pages = in_turn(says({"data": [1, 2], "next_cursor": "c"}), says({"data": [3], "next_cursor": None}))
    with platform({"/v1/files": pages}) as (server, api):
        assert list(api.every("/v1/files")) == [1, 2, 3]
        assert server.asked[1].target == "/v1/files?cursor=c"


def test_a_task_acts_for_the_person_at_the_beginning() -> None:
    with platform({"/v1/whoami": says({})}) as (server, api):
        task(api).api.get("/v1/whoami")
        headers = server.asked[0].headers
        assert (headers["packmule-organization"], headers["packmule-on-behalf-of"]) == ("org_1", "usr_1")


def test_a_step_of_an_earlier_attempt_is_not_done_again() -> None:
    steps = says({"data": [{"name": "read", "result": ["soup"]}]})
    with platform({"/v1/jobs/job_1/steps": steps}) as (_, api):
        assert task(api).step("read", lambda: pytest.fail("done again")) == ["soup"]


def test_a_lost_lease_and_a_wish_to_cancel_are_told_apart() -> None:
    pages = {
        "/v1/jobs/job_1/complete": refusal("lease_lost", "409 Lost"),
        "/v1/jobs/job_1/heartbeat": says({"cancel": True}),
    }
    with platform(pages) as (_, api):
        with pytest.raises(NotOurs):
            task(api).complete({})
        with pytest.raises(Cancelled):
            task(api).say(0.5, "half")


def test_a_lease_is_kept_alive_while_something_takes_long() -> None:
    with platform({"/v1/jobs/job_1/heartbeat": says({"cancel": False})}) as (server, api):
        with Task(api, {"job": JOB, "lease": {"token": "lse_1"}}, lease_seconds=0.3):
            time.sleep(0.5)
        assert len(server.asked) >= 3
        assert json.loads(server.asked[0].body) == {"lease_token": "lse_1"}


def task(api: Api) -> Task:
    return Task(api, {"job": JOB, "lease": {"token": "lse_1"}}, lease_seconds=60)


SECRET = "whsec_" + base64.b64encode(b"secret of the webhook").decode()


def signed(body: bytes, *, at: float | None = None, before: str = "") -> dict[str, str]:
    stamp = str(int(time.time() if at is None else at))
    digest = hmac.digest(
        b"secret of the webhook", b".".join([b"evt_1", stamp.encode(), body]), hashlib.sha256
    )
    signature = f"{before}v1,{base64.b64encode(digest).decode()}"
    return {"webhook-id": "evt_1", "webhook-timestamp": stamp, "webhook-signature": signature}


def test_a_webhook_of_packmule_is_genuine_also_while_secrets_change() -> None:
    assert is_genuine(SECRET, signed(b"{}"), b"{}")
    assert is_genuine(SECRET, signed(b"{}", before="v1,b3RoZXI= "), b"{}")


@pytest.mark.parametrize(
    "headers",
    [
        signed(b'{"a": 1}'),
        signed(b"{}", at=time.time() - 301),
        signed(b"{}", at=time.time() + 3600),
        {**signed(b"{}"), "webhook-id": "evt_2"},
        {**signed(b"{}"), "webhook-signature": ""},
        {**signed(b"{}"), "webhook-timestamp": "soon"},
        {},
    ],
)
def test_anything_else_is_not(headers: dict[str, str]) -> None:
    assert not is_genuine(SECRET, headers, b"{}")
