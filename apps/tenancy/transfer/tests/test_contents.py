"""Nothing of a tenant is forgotten: tables, rows of the registry and bytes are carried, or left for a reason."""

from __future__ import annotations

import pytest
from django.db.models import Field, ForeignKey

from apps.storage.models import FileVersion
from apps.tenancy.models import Tenant
from apps.tenancy.schema import models_of, tables_of
from apps.tenancy.transfer import contents

#: Hosts are given anew, hand-offs are over, and data keys are carried under a key of their own.
_NOT_CARRIED = {"tenancy.domain", "apikeys.handoff", "tenancy.datakey"}


@pytest.mark.parametrize("kind", ["console", "environment"])
def test_every_table_is_carried_or_left_for_a_reason(kind: str) -> None:
    carried, left = contents.tables(kind), contents.left_out(kind)

    assert sorted([*carried, *left]) == tables_of(kind)
    assert all(left.values())


def test_every_table_of_the_registry_that_names_a_tenant_was_thought_of() -> None:
    naming = {
        model._meta.label_lower
        for model in models_of("public")
        if any(
            isinstance(one, ForeignKey) and one.related_model is Tenant for one in model._meta.get_fields()
        )
    }
    carried = {rows.label for _, rows in contents.registry_tables().values()}

    assert naming == carried | _NOT_CARRIED


def test_every_row_that_names_bytes_is_asked_for_them_or_stays_behind() -> None:
    naming = {
        model
        for model in models_of("environment")
        for one in model._meta.get_fields()
        if isinstance(one, Field) and one.name == "blob"
    }
    left = contents.left_out("environment")

    assert {model for model in naming if model._meta.db_table not in left} == {FileVersion}
