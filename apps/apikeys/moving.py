"""What a tenant's keys need in the registry when the tenant moves: their index, and who of it is stopped."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from apps.apikeys.halts import Behind
from apps.core.actor import PrincipalKind
from apps.tenancy.transfer.contents import RegistryRows, carry_registry

#: A key whose maker in another tenant is stopped is revoked on the way: nobody could lift that where it arrives.
_REVOKED_AT = """
case when revoked_at is null and exists (
  select from public.apikeys_halt halt where halt.mark = any(lineage) and halt.tenant_id <> apikeys_keyindex.tenant_id
) then now() else revoked_at end
"""


def objection_to_halt(row: Mapping[str, Any]) -> str | None:
    """Why a row would stop somebody of another tenant, or None."""
    kinds = {kind.value for kind in PrincipalKind}
    if row["kind"] in kinds:
        own = Behind(row["tenant_id"], PrincipalKind(row["kind"]), row["principal_id"])
        if own.mark == row["mark"]:
            return None
    return "it stops somebody who is not of this tenant"


def register() -> None:
    """Register both tables. What minted or rotated a key may be a key that the new installation does not have."""
    index = RegistryRows(
        "apikeys.keyindex", said={"revoked_at": _REVOKED_AT}, loosened=("minted_by_id", "rotated_by_id")
    )
    carry_registry(index)
    carry_registry(RegistryRows("apikeys.halt", objection=objection_to_halt))
