"""Operations on how people get into a tenant."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.db import IntegrityError, transaction

from apps.accounts.configuring import require_configurer, require_no_agent
from apps.accounts.models import ServiceAccount
from apps.accounts.signin import serializers as forms
from apps.accounts.signin.errors import SharedOrganizationMissing
from apps.accounts.signin.models import NewPeopleGet, SignInSettings, sign_in_settings
from apps.accounts.signin.urlcheck import check_url
from apps.core.actor import Actor
from apps.core.etags import check_version
from apps.core.operations import Risk, operation

_URLS = ("home_url", "sign_up_url", "reset_password_url", "new_password_url", "invitation_url", "error_url")


@operation(
    "sign_in_settings.get",
    scope="sign-in-settings:read",
    risk=Risk.READ,
    output=forms.SignInSettingsOutput,
)
def get_sign_in_settings(actor: Actor) -> SignInSettings:
    """Read how people sign up and in here: what was set, and the defaults for the rest."""
    require_configurer(actor)
    return sign_in_settings()


@operation(
    "sign_in_settings.update",
    scope="sign-in-settings:write",
    risk=Risk.SECRET,
    input=forms.SignInSettingsPatch,
    output=forms.SignInSettingsOutput,
    versioned=True,
)
def update_sign_in_settings(
    actor: Actor, /, *, expected_version: int | None = None, **changes: Any
) -> SignInSettings:
    """Change how people sign up and in here. It counts from the next sign-in on; sessions that began go on.

    In a protected environment no agent names pages of your own: links there hold the keys that people were mailed.
    """
    require_configurer(actor)
    require_no_agent(actor, *(field for field in _URLS if changes.get(field)))
    if "shared_organization" in changes:
        changes["shared_organization_id"] = changes.pop("shared_organization")
    for field in _URLS:
        check_url(field, changes.get(field, ""), protected=actor.tenant.protected)
    row = _locked()
    check_version(expected_version, row.version)
    _require_shared(row, changes)
    return row.apply(changes)


def _locked() -> SignInSettings:
    """The row, locked; made with the defaults where there is none, by whoever comes first."""
    rows = SignInSettings.objects.select_for_update()
    row = rows.first()
    if row is not None:
        return row
    try:
        with transaction.atomic():
            return SignInSettings.objects.create()
    except IntegrityError:
        return rows.get()


def _require_shared(row: SignInSettings, changes: dict[str, Any]) -> None:
    chosen = changes.get("new_people_get", row.new_people_get)
    shared: UUID | None = changes.get("shared_organization_id", row.shared_organization_id)
    missing = shared is not None and not _organizations().filter(pk=shared).exists()
    if missing or (chosen == NewPeopleGet.SHARED and shared is None):
        raise SharedOrganizationMissing


def _organizations() -> Any:
    """The tenant's organizations, which belong to the room above; a machine's row knows where they are."""
    model: Any = ServiceAccount._meta.get_field("organization").related_model
    return model.objects.all()
