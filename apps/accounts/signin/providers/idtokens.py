"""Reading id tokens (OpenID Connect Core 1.0, section 3.1.3.7)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import jwt

#: Signed with a key of which the other half is published; so no HS256, and never none.
_ALGORITHMS = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"]
_NEEDED = ["iss", "sub", "aud", "exp", "iat"]
#: How far the provider's clock may be off.
_LEEWAY_SECONDS = 60


def read_id_token(text: str, keys: Mapping[str, Any], *, issuer: str, client_id: str) -> dict[str, Any]:
    """What `text` says of somebody, once its signature by one of `keys` (a JWK set), issuer, audience and time hold.

    Raises jwt.PyJWTError.
    """
    kid = jwt.get_unverified_header(text).get("kid")
    fitting = [key for key in jwt.PyJWKSet.from_dict(dict(keys)).keys if kid in (None, key.key_id)]
    if len(fitting) != 1:
        raise jwt.InvalidTokenError("It does not say which of the provider's keys signed it.")
    claims: dict[str, Any] = jwt.decode(
        text,
        fitting[0],
        algorithms=_ALGORITHMS,
        issuer=issuer,
        audience=client_id,
        leeway=_LEEWAY_SECONDS,
        options={"require": _NEEDED},
    )
    if isinstance(claims["aud"], list) and len(claims["aud"]) > 1 and claims.get("azp") != client_id:
        raise jwt.InvalidAudienceError("It was made for several clients, and for another one first.")
    return claims
