"""A tenant is exported, is gone, and is imported: the same rows to the byte, and everything works."""

from __future__ import annotations

import stat
from collections.abc import Iterable
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from django.db import connection

from apps.accounts.models import User
from apps.audit.models import Event
from apps.orgs.models import Organization
from apps.storage import stores
from apps.storage.models import FileVersion
from apps.storage.tests.parcels import PNG, content_of
from apps.tenancy.inspection import inspect
from apps.tenancy.models import DataKey, Domain, Tenant
from apps.tenancy.sealing import open_sealed
from apps.tenancy.transfer.tests import oak
from apps.tenancy.transfer.tests.oak import Oak, command, manifest_of, nothing_changes, refusal
from apps.tenancy.walls import enter, outside
from tests.client import Api
from tests.world import World


@pytest.fixture
def moved(growing: World, exported: tuple[Oak, Path]) -> Oak:
    """Oak, after its archive was imported."""
    key = exported[1].with_name("carrier.key")
    command("import", exported[1], "--organization", "acorn", "--key-file", key)
    return exported[0]


def test_what_arrives_is_what_left_hash_by_hash(
    moved: Oak, exported: tuple[Oak, Path], tmp_path: Path
) -> None:
    command("export", oak.NAME, "--to", tmp_path / "again")

    first, again = manifest_of(exported[1]), manifest_of(tmp_path / "again")
    for part in ("tables", "registry", "blobs", "fingerprint", "left_out"):
        assert again[part] == first[part]
    assert again["tenant"] == first["tenant"]
    assert {name for name, part in first["tables"].items() if part["rows"]} >= {
        *(
            "accounts_user",
            "orgs_organization",
            "apikeys_key",
            "data_record",
            "data_entry",
            "storage_fileversion",
        ),
        *("mfa_authenticator", "audit_event"),
    }


def test_keys_and_files_work_where_it_arrives(moved: Oak) -> None:
    api = Api(moved.space.root_key)

    assert api.get("/v1/whoami")["tenant"] == oak.NAME
    assert content_of(api, moved.file) == PNG
    file = api.get(moved.file)
    assert (file["tags"], file["metadata"]) == ({"tree": "oak"}, oak.METADATA)
    found = api.get("/v1/collections/dishes/records?filter[price][gte]=0&order=price")["data"]
    assert [record["data"]["name"] for record in found] == oak.AWKWARD
    assert Api(moved.space.root_key, host="production--oak.localhost").get("/v1/whoami").status == 200
    with outside():
        hosts = Domain.objects.filter(tenant_id=moved.space.ref.id).values_list("domain", flat=True)
    assert list(hosts) == ["production--oak.localhost"], "its old host stays behind"


def test_what_is_counted_of_files_is_right_where_it_arrives(moved: Oak) -> None:
    root = Api(moved.space.root_key)
    (counted,) = root.get("/v1/storage/usage")["data"]
    figures = ("bytes", "files", "reserved_bytes", "open_uploads")
    assert [counted[name] for name in figures] == [len(PNG), 1, len(PNG), 1]
    assert root.post("/v1/storage/reconcile")["data"] == []


def test_who_was_stopped_stays_stopped(moved: Oak) -> None:
    assert Api(moved.agent_key).get("/v1/whoami").status == 401


def test_what_was_sealed_opens(moved: Oak) -> None:
    with enter(moved.space.ref):
        kept = Authenticator.objects.get()
        assert oak.SECRET not in str(kept.data)
        assert open_sealed("second factor", kept.data["secret"]) == oak.SECRET


def test_the_walls_stand(moved: Oak) -> None:
    with outside():
        [finding] = inspect([Tenant.objects.get(pk=moved.space.ref.id)])
    assert (finding.status, finding.problems) == ("current", [])
    with enter(moved.space.ref):
        north = Organization.objects.get(slug="north")
    with enter(moved.space.ref, north.id):
        assert [found.slug for found in Organization.objects.all()] == ["north"]


def test_counted_ids_go_on(moved: Oak) -> None:
    with enter(moved.space.ref):
        highest = max(EmailAddress.objects.values_list("pk", flat=True))
        person = User.objects.order_by("email")[0]
        assert EmailAddress.objects.create(user=person, email="other@north.test").pk == highest + 1


def test_the_console_owns_it_and_its_trail_says_so(moved: Oak, growing: World) -> None:
    seen = Api(growing.builders.agent_key).get("/v1/applications/oak")
    assert [(one["name"], one["protected"]) for one in seen["environments"]] == [("production", True)]
    with enter(growing.console.ref):
        [entry] = Event.objects.filter(operation="tenants.import")
    assert (entry.actor_kind, entry.resource_name) == ("system", oak.NAME)


def test_it_may_get_another_name(growing: World, exported: tuple[Oak, Path]) -> None:
    key = exported[1].with_name("carrier.key")
    done = command("import", exported[1], "--as", "acorn/moved", "--key-file", key)

    assert (done["tenant"], done["written"], done["present"], done["data_keys"]) == ("acorn/moved", 1, 0, 1)
    assert Api(exported[0].space.root_key).get("/v1/whoami")["tenant"] == "acorn/moved"
    Api(growing.builders.agent_key).delete("/v1/applications/acorn/environments/moved")
    with outside():
        Tenant.objects.using("owner").filter(pk=exported[0].space.ref.id).update(name="oak/moved")


def test_an_archive_without_data_keys_says_what_is_lost(growing: World, tmp_path: Path) -> None:
    oak.grown(growing)
    done = command("export", oak.NAME, "--to", tmp_path / "oak")
    assert (done["data_keys"], done["sealed"]) == (0, {"mfa_authenticator": 1})
    assert "second factors removed" in done["warnings"][0]
    assert manifest_of(tmp_path / "oak")["data_keys"] is None
    oak.fell(growing)

    done = command("import", tmp_path / "oak", "--organization", "acorn")

    assert any("second factors removed" in warning for warning in done["warnings"])
    with outside():
        assert not DataKey.objects.filter(tenant__name=oak.NAME).exists()


def test_an_export_is_private_and_names_what_stays_behind(exported: tuple[Oak, Path]) -> None:
    modes = {stat.S_IMODE(path.stat().st_mode) for path in exported[1].rglob("*") if path.is_file()}
    assert modes == {0o600}
    assert stat.S_IMODE(exported[1].stat().st_mode) == 0o700
    manifest = manifest_of(exported[1])
    assert {"django_session", "core_idempotencyrecord", "allauth_idp_oidc_token"} <= manifest[
        "left_out"
    ].keys()
    assert not manifest["left_out"].keys() & manifest["tables"].keys()
    whole = b"".join(path.read_bytes() for path in exported[1].rglob("*") if path.is_file())
    assert oak.SECRET.encode() not in whole
    assert exported[0].space.root_key.encode() not in whole


def test_bytes_that_an_import_brought_are_not_brought_again(
    growing: World, archive: Path, carrier: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def breaks(*_: object, **__: object) -> None:
        raise RuntimeError("the machine stops here")

    words = ("import", archive, "--organization", "acorn", "--key-file", carrier)
    with monkeypatch.context() as broken:
        broken.setattr("apps.applications.services._attached", breaks)
        with pytest.raises(RuntimeError):
            command(*words)
    with outside():
        assert not Tenant.objects.filter(name=oak.NAME).exists(), "neither served nor left behind"

    done = command(*words)

    assert (done["written"], done["present"]) == (0, 1)


def test_an_import_begins_the_folder_of_an_installation_without_files(
    growing: World, exported: tuple[Oak, Path], archive: Path, carrier: Path, settings: Any, tmp_path: Path
) -> None:
    settings.PACKMULE_STORAGE_DIR = tmp_path / "fresh" / "files"

    done = command("import", archive, "--organization", "acorn", "--key-file", carrier)

    assert done["written"] == 1
    assert content_of(Api(exported[0].space.root_key), exported[0].file) == PNG


def test_an_import_where_the_folder_is_away_brings_nothing(
    growing: World,
    archive: Path,
    carrier: Path,
    settings: Any,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    settings.PACKMULE_STORAGE_DIR = tmp_path / "away"
    monkeypatch.setattr("apps.storage.beginning._are_there_files", lambda: True)

    with nothing_changes():
        refused = refusal("import", archive, "--organization", "acorn", "--key-file", carrier)

    assert refused["code"] == "store_unreachable"
    assert "Mount its disk" in refused["detail"]


def test_an_import_that_was_killed_is_begun_anew(growing: World, archive: Path, carrier: Path) -> None:
    words = ("import", archive, "--organization", "acorn", "--key-file", carrier)
    command(*words)
    with outside():
        tenant = Tenant.objects.get(name=oak.NAME)
    Tenant.objects.using("owner").filter(pk=tenant.pk).update(state="importing")
    with enter(growing.console.ref), connection.cursor() as cursor:
        cursor.execute("delete from applications_environment where tenant_id = %s", [tenant.pk])

    assert command(*words)["tenant"] == oak.NAME


def test_the_console_stays_and_folders_are_not_overwritten(growing: World, tmp_path: Path) -> None:
    assert refusal("export", "console", "--to", tmp_path / "console")["code"] == "not_movable"
    (tmp_path / "here").mkdir()
    assert refusal("export", "acorn/production", "--to", tmp_path / "here")["code"] == "archive_in_the_way"
    assert refusal("export", "elm/production", "--to", tmp_path / "elm")["code"] == "not_found"
    assert (
        refusal("export", "acorn/production", "--to", tmp_path / "no" / "where")["code"]
        == "archive_not_written"
    )


def test_a_full_disk_leaves_nothing(growing: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("apps.tenancy.transfer.folder.os.sync", full)

    refused = refusal("export", "acorn/production", "--to", tmp_path / "acorn")

    assert (refused["code"], refused["status"]) == ("archive_not_written", 507)
    assert "No space left on device" in refused["detail"]
    assert list(tmp_path.iterdir()) == []


def test_a_disk_that_is_full_in_the_middle_of_rows_leaves_nothing(
    growing: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(path: Path, chunks: Iterable[bytes]) -> None:
        for chunk in chunks:
            raise OSError(28, "No space left on device", chunk[:0])

    monkeypatch.setattr("apps.tenancy.transfer.folder.write", full)

    assert refusal("export", "acorn/production", "--to", tmp_path / "acorn")["status"] == 507
    assert list(tmp_path.iterdir()) == []
    monkeypatch.undo()
    assert command("export", "acorn/production", "--to", tmp_path / "acorn")["rows"] > 0


@pytest.mark.parametrize("wrong", [None, b"other bytes"])
def test_bytes_that_are_not_as_their_row_says_stop_the_export(
    growing: World, tmp_path: Path, wrong: bytes | None
) -> None:
    grown = oak.grown(growing)
    with enter(grown.space.ref):
        key = FileVersion.objects.stored().get().blob
    stores.store().delete([key])
    if wrong:
        stores.store().put(key, BytesIO(wrong))

    refused = refusal("export", oak.NAME, "--to", tmp_path / "oak")

    assert refused["code"] == "bytes_missing"
    assert key in refused["detail"]
    assert list(tmp_path.iterdir()) == []
