"""What the stories about files have in common: a bucket, a file that is announced, its bytes, and the end of it."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from io import BytesIO
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from django.http import HttpResponse
from django.test import Client

from apps.core.ids import decode
from apps.storage import stores
from apps.storage.models import FileVersion
from apps.tenancy.walls import enter
from tests.client import Answer, Api
from tests.world import Space

PNG = b"\x89PNG\r\n\x1a\n" + bytes(range(256))


def sha256(content: bytes) -> str:
    """As clients say it."""
    return hashlib.sha256(content).hexdigest()


def make_bucket(space: Space, name: str = "photos", **rules: Any) -> str:
    """A bucket of that name; the rules are those of POST /v1/buckets."""
    answer = Api(space.root_key).post("/v1/buckets", {"name": name, **rules})
    assert answer.status == 201, answer
    return name


def announce(api: Api, content: bytes = PNG, **fields: Any) -> Answer:
    """Announce a file in the bucket `photos`."""
    body = {"bucket": "photos", "name": "cat.png", "content_type": "image/png", "size": len(content)}
    return api.post("/v1/files", {**body, **fields})


def send(request: Mapping[str, Any], content: bytes = b"") -> HttpResponse:
    """Make the signed request, as a client does: with nothing but what it says."""
    response: Any = Client().generic(
        str(request["method"]),
        urlsplit(request["url"]).path,
        content,
        content_type="application/octet-stream",
        headers=dict(request["headers"]),
        CONTENT_LENGTH=str(len(content)),
    )
    return response  # type: ignore[no-any-return]


def arrive(space: Space, file: str, content: bytes) -> None:
    """Put the bytes of the newest upload into the store, as its signed URL would."""
    with enter(space.ref):
        version = FileVersion.objects.filter(file_id=decode(file, "file")).order_by("-number")[0]
    stores.store().put(version.blob, BytesIO(content))


def uploaded(space: Space, api: Api, content: bytes = PNG, **fields: Any) -> str:
    """A file that is ready; returns its path."""
    made = announce(api, content, **fields)
    assert made.status == 201, made
    arrive(space, made["id"], content)
    done = api.post(f"/v1/files/{made['id']}/complete")
    assert done.status == 200, done
    return f"/v1/files/{made['id']}"


def another_version(space: Space, api: Api, path: str, content: bytes, **fields: Any) -> Answer:
    """The file of `path` with another content."""
    made = api.post(f"{path}/versions", {"size": len(content), "content_type": "image/png", **fields})
    assert made.status == 201, made
    arrive(space, made["id"], content)
    return api.post(f"{path}/complete")


def content_of(api: Api, path: str) -> bytes:
    """The bytes to which `content` leads."""
    answer = api.get(f"{path}/content")
    assert answer.status == 302, answer
    parts: Any = send(answer.body)
    return b"".join(parts.streaming_content) if parts.streaming else bytes(parts.content)


def stored(api: Api) -> dict[str, tuple[int, int]]:
    """Bytes and files by bucket, as usage says."""
    rows = api.get("/v1/storage/usage")["data"]
    return {row["bucket"]: (row["bytes"], row["files"]) for row in rows}


def lying(folder: Path, path: str) -> int:
    """How many contents of the file of `path` lie in the store."""
    return len(list(folder.rglob(f"{path.rpartition('/')[2]}/ver_*")))
