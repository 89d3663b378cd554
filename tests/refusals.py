"""What every refusal has to be, whatever was wrong with the call."""

from __future__ import annotations

import re
from typing import Any

from django.conf import settings

from apps.core.problem_codes import codes
from apps.core.problems import CONTENT_TYPE
from tests.client import Answer

MEMBERS = {"type", "title", "status", "code", "detail", "request_id", "retryable", "docs"}
#: What a refusal never holds: code, SQL, roles and schemas, secrets, places on this machine.
_INSIDE = re.compile(
    r"Traceback|psycopg|django\.|(?<!manage)\.py\b|relation \"|column \"|constraint|\bselect\b.+\bfrom\b"
    r"|insert into|search_path|\bt_01[a-z0-9]{24}|packmule_|pmk_(?:test|live)_[a-z]{2}_\w{40}|/home/|/usr/|"
    + re.escape(f"{settings.BASE_DIR}/"),
    re.IGNORECASE,
)


def check_refusal(answer: Answer, status: int, code: str = "", *, sent: str = "") -> dict[str, Any]:
    """The problem document of `answer`, after finding it complete and telling nothing of the inside.

    `sent` is what the caller wrote, which may be repeated to them.
    """
    assert answer.status == status, answer
    assert answer.headers["Content-Type"] == CONTENT_TYPE
    document: dict[str, Any] = answer.body
    assert document.keys() >= MEMBERS, f"{answer} lacks {MEMBERS - document.keys()}"
    assert document["status"] == status
    assert code in ("", document["code"]), answer
    assert document["request_id"] == answer.headers["Request-Id"]
    assert document["detail"].strip()
    assert document["docs"].endswith(f"#{document['code']}")
    known = codes()[document["code"]]
    assert known.advice or document.get("remedy"), f"{answer} tells nobody how to get further"
    text = answer.response.content.decode()
    for part in re.split(r"[^\w-]+", sent):
        text = text.replace(part, "") if len(part) > 3 else text
    found = _INSIDE.findall(text)
    assert not found, f"{answer} tells of the inside: {found}"
    return document
