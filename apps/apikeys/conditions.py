"""What has to hold, beside a credential that is alive, before its principal may act at all."""

from __future__ import annotations

import orjson

from apps.apikeys import errors, halts
from apps.apikeys.lookup import Found
from apps.apikeys.network import is_allowed
from apps.apikeys.principals import PrincipalRow
from apps.core.actor import Call
from apps.core.ids import encode
from apps.core.problems import Remedy, show

#: Where principals with a kind of key are managed: the prefix of their ids, and their room.
_ROOMS = {"sk": ("svc", "service-accounts"), "ag": ("agt", "agents"), "us": ("usr", "users")}


def require_conditions(found: Found, row: PrincipalRow, call: Call) -> None:
    """Let the call go on if the principal is active, nobody behind it was stopped, and its address is allowed.

    Raises PrincipalSuspended, what `halts.refusal` says, and AddressNotAllowed.
    """
    if row.status != "active":
        raise errors.PrincipalSuspended(
            f"{show(row.principal_name)} is suspended.", remedy=_activation(found, row)
        )
    if found.halted is not None:
        raise halts.refusal(found, row.principal_id)
    if not is_allowed(call.ip, orjson.loads(row.allowed_ips)):
        raise errors.AddressNotAllowed(
            f"{encode('key', found.id)} is not allowed from {call.ip or 'a command, which has no address'}.",
            remedy=errors.NEW_KEY,
        )


def _activation(found: Found, row: PrincipalRow) -> Remedy | None:
    """How an admin lifts the suspension; a publishable key does not say whose it is."""
    if found.kind not in _ROOMS:
        return None
    prefix, room = _ROOMS[found.kind]
    path = f"/v1/{room}/{encode(prefix, row.principal_id)}/activate"
    command = f"manage.py {room.replace('-', '_')} activate {encode(prefix, row.principal_id)}"
    return Remedy(f"{command} --reason REASON", "POST", path, {"reason": "…"})
