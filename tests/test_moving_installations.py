"""A tenant moves from one installation into another: two servers, each with a database and files of its own."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import pytest

from bench import installation
from bench.installation import ROOT, Installation, folder
from tests.installed import running

TENANT = "trattoria/development"
PHOTO = b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 1000


def tenants(where: Installation, *words: object) -> Any:
    """What `manage.py tenants …words --json` of that installation prints."""
    command = [sys.executable, "manage.py", "tenants", *map(str, words), "--json"]
    done = subprocess.run(
        command, cwd=ROOT, env=os.environ | where.environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads(done.stdout)


def settled(where: Installation) -> tuple[str, str]:
    """A tenant with people, keys, records and a file; returns a key of it and the file's path."""
    where.call("POST", "/v1/applications", {"slug": "trattoria", "name": "Trattoria"})
    wanted = {"name": "backend", "kind": "secret", "scopes": ["*"], "expires_in_days": 30}
    key = where.call("POST", "/v1/applications/trattoria/environments/development/keys", wanted)["secret"]
    made = where.call("POST", "/v1/organizations", {"name": "North", "slug": "north"}, key=key)
    where.call("POST", f"/v1/organizations/{made['id']}/invitations", {"email": "anna@example.com"}, key=key)
    where.call(
        "POST", "/v1/agents", {"name": "helper", "organization": made["id"], "role": "developer"}, key=key
    )
    dishes = {"name": "dishes", "schema": {"type": "object"}, "indexes": [{"field": "name"}]}
    dishes["schema"] = {"type": "object", "properties": {"name": {"type": "string"}}}
    where.call("POST", "/v1/collections", dishes, key=key)
    for number in range(50):
        body = {"data": {"name": f"dish {number}\t\\."}}
        where.call("POST", "/v1/collections/dishes/records", body, key=key)
    return key, _uploaded(where, key)


def _uploaded(where: Installation, key: str) -> str:
    where.call("POST", "/v1/buckets", {"name": "photos"}, key=key)
    body = {"bucket": "photos", "name": "dish.png", "content_type": "image/png", "size": len(PHOTO)}
    file = where.call("POST", "/v1/files", body, key=key)
    upload = file["upload"]
    with urlopen(Request(upload["url"], PHOTO, upload["headers"], method=upload["method"])):
        where.call("POST", f"/v1/files/{file['id']}/complete", {}, key=key)
    return f"/v1/files/{file['id']}"


def manifest_of(archive: Path) -> Any:
    return json.loads((archive / "manifest.json").read_text())


@pytest.mark.slow
def test_a_tenant_moves_into_another_installation(tmp_path: Path) -> None:
    with folder() as first, folder() as second:
        with running(first / "data") as old:
            key, file = settled(old)
            left = tenants(old, "export", TENANT, "--to", tmp_path / "left")
        # This one has secrets of its own.
        with installation.running(second / "data") as new:
            company = new.call("GET", "/v1/whoami")["organization"]["slug"]
            arrived = tenants(new, "import", tmp_path / "left", "--organization", company)
            tenants(new, "export", TENANT, "--to", tmp_path / "arrived")
            checked = tenants(new, "check")["data"]

            assert new.call("GET", "/v1/whoami", key=key)["tenant"] == TENANT
            assert len(new.call("GET", "/v1/collections/dishes/records?limit=100", key=key)["data"]) == 50
            link = new.call("GET", f"{file}/link", key=key)
            with urlopen(Request(link["url"], headers=link["headers"])) as answer:
                content = answer.read()

    assert hashlib.sha256(content).digest() == hashlib.sha256(PHOTO).digest()
    assert (arrived["sha256"], arrived["files"], arrived["written"]) == (left["sha256"], 1, 1)
    before, after = manifest_of(tmp_path / "left"), manifest_of(tmp_path / "arrived")
    assert after["tables"] == before["tables"]
    assert after["blobs"] == before["blobs"]
    assert after["registry"].keys() == before["registry"].keys()
    assert after["registry"]["apikeys_keyindex"]["rows"] == before["registry"]["apikeys_keyindex"]["rows"] > 0
    assert {row["status"] for row in checked} == {"current"}
