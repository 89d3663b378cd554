"""A secret scanner's signed report ends keys; what nobody known has signed ends nothing."""

from __future__ import annotations

from base64 import b64encode
from hashlib import sha256
from typing import Any

import orjson
import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from django.core.exceptions import ImproperlyConfigured
from django.http import HttpResponse
from django.test import Client

from apps.apikeys.leaks_github import SignatureRefused, require_signed
from tests.client import Api
from tests.world import World

URL = "https://github.com/octocat/Hello-World/blob/main/foo.txt"
#: The example that GitHub's own documentation verifies.
PUBLISHED_KEY = (
    "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE9MJJHnMfn2+H4xL4YaPDA4RpJqUqkCmRCBnYERxZanmcpzQSXs1X/AljlKkbJ8qpVIW4clayyef9"
    "gWhFbNHWAA=="
)
PUBLISHED_BODY = b'[{"token":"some_token","type":"some_type","url":"some_url"}]'
PUBLISHED_SIGNATURE = (
    "MEUCIQDKZokqnCjrRtw0tni+2Ltvl/uiMJ1EGumEsp1BsNr32AIgQY1YXD2nlj+XNfGK4rBfkMJ1JDOQcYXxa2sY8FNkrKc="
)


class Scanner:
    """Somebody with a key that the installation knows."""

    def __init__(self, settings: Any) -> None:
        self.key = ec.generate_private_key(ec.SECP256R1())
        public = self.key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        settings.PACKMULE_SECRET_SCANNING_KEYS = [f"one:{b64encode(public).decode()}"]

    def sends(
        self, found: Any, *, key_id: str = "one", altered: bytes = b"", method: str = "POST"
    ) -> HttpResponse:
        """The answer to a signed report; `altered` is sent in place of what was signed."""
        body = orjson.dumps(found)
        signature = b64encode(self.key.sign(body, ec.ECDSA(hashes.SHA256()))).decode()
        headers = {"Github-Public-Key-Identifier": key_id, "Github-Public-Key-Signature": signature}
        return Client().generic(  # type: ignore[return-value]
            method, "/v1/leaked-keys/github", altered or body, "application/json", headers=headers
        )


@pytest.fixture
def scanner(world: World, settings: Any) -> Scanner:
    return Scanner(settings)


def match(token: str) -> dict[str, str]:
    """A match as the scanner writes it."""
    return {"token": token, "type": "packmule_key", "url": URL, "source": "content"}


def test_the_published_example_is_verified(settings: Any) -> None:
    settings.PACKMULE_SECRET_SCANNING_KEYS = [f"published:{PUBLISHED_KEY}"]
    require_signed(PUBLISHED_BODY, "published", PUBLISHED_SIGNATURE)
    with pytest.raises(SignatureRefused):
        require_signed(PUBLISHED_BODY + b" ", "published", PUBLISHED_SIGNATURE)


def test_a_signed_report_ends_keys_and_says_which_were_real(world: World, scanner: Scanner) -> None:
    north = world.acorn.parties["north"]
    answer = scanner.sends([match(north.agent_key), match("pmk_live_ag_made_up")])
    assert answer.status_code == 200
    assert orjson.loads(answer.content) == [
        {"token_hash": sha256(token.encode()).hexdigest(), "token_type": "packmule_key", "label": label}
        for token, label in ((north.agent_key, "true_positive"), ("pmk_live_ag_made_up", "false_positive"))
    ]
    assert Api(north.agent_key).get("/v1/whoami").code == "key_revoked"
    [event] = Api(north.person_key).get("/v1/audit?operation=leaked_keys.report")["data"]
    assert event["reason"] == f"found in the open: {URL} (content)"


def test_many_at_once(world: World, scanner: Scanner) -> None:
    answer = scanner.sends([match(f"none {number}") for number in range(250)])
    assert len(orjson.loads(answer.content)) == 250


def test_what_is_not_signed_by_somebody_known_ends_nothing(world: World, scanner: Scanner) -> None:
    north = world.acorn.parties["north"]
    found = [match(north.agent_key)]
    for answer in (
        scanner.sends(found, key_id="two"),
        scanner.sends([], altered=orjson.dumps(found)),
        Client().post("/v1/leaked-keys/github", orjson.dumps(found), "application/json"),
    ):
        assert (answer.status_code, orjson.loads(answer.content)["code"]) == (401, "signature_refused")
    assert Api(north.agent_key).get("/v1/whoami").status == 200


@pytest.mark.parametrize("body", [{"token": "x"}, ["x"], [{"type": "x"}], "x", [{"token": 1}]])
def test_a_malformed_report_is_refused(scanner: Scanner, body: Any) -> None:
    assert scanner.sends(body).status_code in (400, 422)


def test_it_takes_nothing_but_reports(scanner: Scanner) -> None:
    assert scanner.sends([], method="PUT").status_code == 405


def test_a_key_that_is_none_is_a_mistake_of_the_settings(settings: Any) -> None:
    settings.PACKMULE_SECRET_SCANNING_KEYS = ["one:bm9uZQ=="]
    with pytest.raises(ImproperlyConfigured):
        require_signed(b"", "one", "")
