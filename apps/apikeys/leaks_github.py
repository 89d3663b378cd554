"""Leaked keys as GitHub's secret scanning reports them: a signed list, sent to its partners.

The body is `[{"token", "type", "url", "source"}]`; `Github-Public-Key-Signature` is the ECDSA signature (P-256,
SHA-256, DER in base64) of its bytes by the key that `Github-Public-Key-Identifier` names. The keys are configured
(PACKMULE_SECRET_SCANNING_KEYS) and not fetched: a call from outside must not make this server call anybody.
https://docs.github.com/en/code-security/secret-scanning/secret-scanning-partner-program
"""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Iterator
from hashlib import sha256
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_der_public_key
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.http import HttpRequest
from django.http.response import HttpResponseBase

from apps.apikeys.leaks import UNKNOWN, report_leaked_keys
from apps.apikeys.serializers import MAX_REPORTED, LeakedKeysInput
from apps.core.endpoints import Answer, acting
from apps.core.problem_handlers import exception_handler
from apps.core.problems import MalformedRequest, MethodNotAllowed, Unauthenticated
from apps.core.strictjson import loads, raw_body


class SignatureRefused(Unauthenticated):
    """A report in GitHub's format was not signed by a key that this installation knows."""

    code, title = "signature_refused", "That is not signed by a known scanner"
    advice = "Configure the scanner's public keys, or report without a signature to /v1/leaked-keys."


def github_view(request: HttpRequest) -> HttpResponseBase:
    """Answer POST /v1/leaked-keys/github: end the keys, and say which were real, in the scanner's own format."""
    try:
        return _answer(request)
    except Exception as failure:  # noqa: BLE001 - whatever it is, the scanner gets a problem
        return exception_handler(failure, {"request": request})


#: What is read to know that this call takes no credential.
github_view.operations = {"POST": report_leaked_keys}  # type: ignore[attr-defined]


def _answer(request: HttpRequest) -> HttpResponseBase:
    if request.method != "POST":
        raise MethodNotAllowed(str(request.method), ["POST"])
    actor, body, headers = acting(request), raw_body(request), request.headers
    signed = (headers.get(f"Github-Public-Key-{name}", "") for name in ("Identifier", "Signature"))
    require_signed(body, *signed)
    matches, told = _matches(body), []
    for keys in _pages(matches):
        told += report_leaked_keys(actor, keys=keys)["keys"]
    return Answer(200, [_feedback(*pair) for pair in zip(matches, told, strict=True)]).response()


def require_signed(body: bytes, key_id: str, signature: str) -> None:
    """Raise SignatureRefused unless `signature` is that of `body` by the configured key `key_id`."""
    known = _known_keys().get(key_id)
    try:
        if known is None:
            raise SignatureRefused(f"No key of a scanner is configured under {key_id[:80]!r}.")
        known.verify(b64decode(signature, validate=True), body, ec.ECDSA(hashes.SHA256()))
    except (InvalidSignature, ValueError):
        raise SignatureRefused("The signature does not fit the body.") from None


def _known_keys() -> dict[str, ec.EllipticCurvePublicKey]:
    """The configured keys by their ids: words of `id:key`, the key as in a PEM file, without its head and line ends."""
    known = {}
    for word in settings.PACKMULE_SECRET_SCANNING_KEYS:
        key_id, _, text = word.partition(":")
        try:
            key = load_der_public_key(b64decode(text, validate=True))
        except ValueError:
            key = None
        if not isinstance(key, ec.EllipticCurvePublicKey):
            raise ImproperlyConfigured(
                f"PACKMULE_SECRET_SCANNING_KEYS: {key_id[:80]} is followed by no elliptic curve's public key."
            )
        known[key_id] = key
    return known


def _matches(body: bytes) -> list[dict[str, str]]:
    matches = loads(body)
    if not isinstance(matches, list) or not all(isinstance(one, dict) for one in matches):
        raise MalformedRequest("A scanner's report is a list of objects with token, type, url and source.")
    return matches


def _pages(matches: list[dict[str, str]]) -> Iterator[list[dict[str, str]]]:
    """The matches in the words of a report, as many at a time as one report takes."""
    names = {"token": "key", "url": "url", "source": "source"}
    for start in range(0, len(matches), MAX_REPORTED):
        part = matches[start : start + MAX_REPORTED]
        found = [{new: one[old] for old, new in names.items() if one.get(old) is not None} for one in part]
        yield LeakedKeysInput.read({"keys": found})["keys"]


def _feedback(match: dict[str, str], became: dict[str, Any]) -> dict[str, str]:
    real = became["status"] != UNKNOWN
    return {
        "token_hash": sha256(match["token"].encode()).hexdigest(),
        "token_type": str(match.get("type", "")),
        "label": "true_positive" if real else "false_positive",
    }
