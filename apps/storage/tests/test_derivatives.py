"""Images that are made of images: declared on the bucket, made once, and gone with what they were made of."""

from __future__ import annotations

from datetime import timedelta
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from django.conf import LazySettings
from PIL import Image

from apps.core import clock
from apps.storage import deriving
from apps.storage.images import running
from apps.storage.images.recipes import Recipe
from apps.storage.images.tests.pictures import bomb, corners, encoded, exif, webp_bomb
from apps.storage.models import Condemned, Derivative
from apps.storage.stores import absence
from apps.storage.stores.absence import Absence
from apps.storage.stores.base import Stat
from apps.storage.stores.errors import StoreUnreachable
from apps.storage.stores.local import LocalStore
from apps.storage.stores.places import Places
from apps.storage.tests.clamd import running as running_clamd
from apps.storage.tests.derived import counted, lying
from apps.storage.tests.parcels import PNG, another_version, content_of, make_bucket, send, stored, uploaded
from apps.tenancy.walls import enter
from tests.client import Answer, Api
from tests.world import World

PHOTO = encoded(corners((600, 400)), "JPEG", exif=exif(1))
THUMB = {"width": 60, "height": 60, "fit": "cover"}
PRESETS = {"thumb": THUMB, "wide": {"width": 120, "format": "png"}}


@pytest.fixture
def me(world: World, api: Api) -> Api:
    make_bucket(world.acorn, presets=PRESETS)
    return api.using(world.acorn.parties["north"].person_key)


@pytest.fixture
def root(world: World, api: Api) -> Api:
    return api.using(world.acorn.root_key)


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[Recipe]:
    return counted(monkeypatch)


def photo(world: World, me: Api, content: bytes = PHOTO, **fields: Any) -> str:
    said = {"name": "cat.jpg", "content_type": "application/octet-stream", **fields}
    return uploaded(world.acorn, me, content, **said)


def fetched(answer: Answer) -> tuple[Image.Image, Any]:
    """The image to which an answer leads, and the headers with which it comes."""
    assert answer.status == 302, answer
    assert answer.headers["Location"] == answer["url"]
    response: Any = send(answer.body)
    image = Image.open(BytesIO(b"".join(response.streaming_content)))
    image.load()
    return image, response.headers


def test_a_preset_makes_an_image_at_the_first_request_and_once(
    world: World, me: Api, made: list[Recipe]
) -> None:
    path = photo(world, me)
    assert me.get(f"{path}/derivatives")["data"] == []
    for _ in range(3):
        image, headers = fetched(me.get(f"{path}/derivatives/thumb"))
        assert (image.format, image.size, dict(image.getexif())) == ("WEBP", (60, 60), {})
        assert headers["Content-Disposition"] == 'inline; filename="cat-thumb.webp"'
        assert headers["Content-Type"] == "image/webp"
    assert fetched(me.get(f"{path}/derivatives/wide"))[0].size == (120, 80)
    assert [recipe.format for recipe in made] == ["webp", "png"]
    rows = me.get(f"{path}/derivatives")["data"]
    assert [(row["preset"], row["width"], row["height"], row["problem"]) for row in rows] == [
        ("wide", 120, 80, ""),
        ("thumb", 60, 60, ""),
    ]
    assert [row["content_type"] for row in rows] == ["image/png", "image/webp"]
    assert content_of(me, path) == PHOTO


def test_a_link_to_one_is_good_for_as_long_as_is_asked(world: World, me: Api, made: list[Recipe]) -> None:
    path = photo(world, me)
    link = me.get(f"{path}/derivatives/thumb/link?seconds=60")
    assert (link.status, link["method"], link["headers"]) == (200, "GET", {})
    response: Any = send(link.body)
    assert b"".join(response.streaming_content).startswith(b"RIFF")
    assert me.get(f"{path}/derivatives/thumb").status == 302
    assert len(made) == 1, "it is the same one"
    with clock.frozen(clock.now() + timedelta(seconds=61)):
        assert send(link.body).status_code == 403
    assert me.get(f"{path}/derivatives/thum/link").code == "preset_unknown"
    assert me.get(f"{path}/derivatives/thumb/link?seconds=90000").code == "parameters_invalid"


def test_every_bucket_has_a_preview(world: World, me: Api) -> None:
    path = photo(world, me, name="a.b/../c"[0:3])
    image, headers = fetched(me.get(f"{path}/derivatives/preview"))
    assert (image.size, headers["Content-Disposition"]) == ((320, 213), 'inline; filename="a-preview.webp"')


def test_a_preset_that_is_not_there_is_answered_with_those_that_are(world: World, me: Api) -> None:
    answer = me.get(f"{photo(world, me)}/derivatives/thum")
    assert (answer.status, answer.code) == (404, "preset_unknown")
    assert answer["presets"] == ["preview", "thumb", "wide"]
    assert "preview, thumb, wide" in answer["detail"]


def test_nobody_is_charged_for_derivatives(world: World, me: Api, root: Api) -> None:
    root.patch("/v1/buckets/photos", {"quota_bytes": len(PHOTO)})
    path = photo(world, me)
    assert me.get(f"{path}/derivatives/thumb").status == 302
    assert stored(me) == {"photos": (len(PHOTO), 1)}
    assert root.post("/v1/storage/reconcile")["data"] == []


def test_another_version_makes_others(world: World, me: Api, made: list[Recipe]) -> None:
    path = photo(world, me)
    before = me.get(f"{path}/derivatives/wide")
    other = encoded(Image.new("RGB", (400, 400), "red"))
    assert another_version(world.acorn, me, path, other).status == 200
    assert fetched(me.get(f"{path}/derivatives/wide"))[0].size == (120, 120)
    assert fetched(me.get(f"{path}/derivatives/wide?version=1"))[0].size == (120, 80)
    assert fetched(before)[0].size == (120, 80)
    assert len(made) == 2
    assert [row["file_version"] for row in me.get(f"{path}/derivatives")["data"]] == [2, 1]
    assert me.get(f"{path}/derivatives/wide?version=3").code == "file_version_unknown"


def test_they_go_with_the_file(world: World, me: Api, store_folder: Path) -> None:
    path = photo(world, me)
    link = me.get(f"{path}/derivatives/thumb").body
    me.get(f"{path}/derivatives/wide")
    assert lying(store_folder, path) == 2
    me.delete(path)
    for way in ("derivatives", "derivatives/thumb"):
        assert me.get(f"{path}/{way}").code == "not_found"
    me.post(f"{path}/restore")
    assert me.get(f"{path}/derivatives/thumb").status == 302
    me.post(f"{path}/purge")
    run_lifecycle(world)
    assert lying(store_folder, path) == 0
    assert send(link).status_code == 404


def test_they_go_with_the_version(world: World, me: Api, root: Api, store_folder: Path) -> None:
    root.patch("/v1/buckets/photos", {"versions_kept": 1})
    path = photo(world, me)
    me.get(f"{path}/derivatives/thumb")
    another_version(world.acorn, me, path, encoded(corners()))
    run_lifecycle(world)
    assert (lying(store_folder, path), me.get(f"{path}/derivatives")["data"]) == (0, [])


def test_they_go_when_the_preset_changes(
    world: World, me: Api, root: Api, made: list[Recipe], store_folder: Path
) -> None:
    path = photo(world, me)
    for preset in ("thumb", "wide", "preview"):
        me.get(f"{path}/derivatives/{preset}")
    root.patch("/v1/buckets/photos", {"presets": {"thumb": {**THUMB, "quality": 80}, "wide": {"width": 90}}})
    run_lifecycle(world)
    assert (lying(store_folder, path), len(made)) == (2, 3), (
        "80 is the quality anyway, and the preview is as it was"
    )
    assert fetched(me.get(f"{path}/derivatives/wide"))[0].size == (90, 60)
    assert (fetched(me.get(f"{path}/derivatives/thumb"))[0].size, len(made)) == ((60, 60), 4)
    root.patch("/v1/buckets/photos", {"presets": {}})
    run_lifecycle(world)
    assert me.get(f"{path}/derivatives/wide").code == "preset_unknown"
    assert [row["preset"] for row in me.get(f"{path}/derivatives")["data"]] == ["preview"]
    assert lying(store_folder, path) == 1


def run_lifecycle(world: World) -> None:
    """What the worker does."""
    assert Api(world.acorn.root_key).post("/v1/storage/lifecycle").status == 200


@pytest.mark.parametrize(
    ("content", "name", "code"),
    [
        (bomb(), "cat.png", "image_too_large"),
        (webp_bomb(), "cat.webp", "image_too_large"),
        (PHOTO[: len(PHOTO) // 2], "cat.jpg", "image_damaged"),
        (PNG, "cat.png", "image_damaged"),
        (b"<!doctype html><p>cat", "cat.png", "not_an_image"),
        (b'<svg xmlns="http://www.w3.org/2000/svg"/>', "cat.svg", "not_an_image"),
        (b"II*\0" + bytes(99), "cat.tiff", "not_an_image"),
        (b"%PDF-1.7", "cat.pdf", "not_an_image"),
    ],
    ids=["png-bomb", "webp-bomb", "half", "signature", "page", "svg", "tiff", "pdf"],
)
def test_what_nothing_can_be_made_of_is_said_and_not_tried_again(
    world: World, me: Api, made: list[Recipe], content: bytes, name: str, code: str
) -> None:
    path = photo(world, me, content, name=name)
    first, again = (me.get(f"{path}/derivatives/thumb") for _ in range(2))
    assert (first.status, first.code) == (422, code)
    assert (again.status, again.code, again["detail"]) == (422, code, first["detail"])
    assert len(made) <= 1
    assert [row["problem"] for row in me.get(f"{path}/derivatives")["data"]] == [code]
    assert content_of(me, path) == content


def test_a_file_that_is_too_long_is_not_even_read(
    world: World, me: Api, made: list[Recipe], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("apps.storage.deriving.MOST_BYTES", 100)
    refused = me.get(f"{photo(world, me)}/derivatives/thumb")
    assert (refused.code, made) == ("image_too_large", [])
    assert f"{len(PHOTO)} bytes" in refused["detail"]


def test_a_server_without_time_says_come_again(
    world: World, me: Api, monkeypatch: pytest.MonkeyPatch, store_folder: Path
) -> None:
    path = photo(world, me)
    with monkeypatch.context() as slow:
        slow.setattr(running, "_PATIENCE", 0.001)
        refused = me.get(f"{path}/derivatives/thumb")
    assert (refused.status, refused.code, refused["retryable"]) == (503, "images_busy", True)
    assert refused.headers["Retry-After"]
    with monkeypatch.context() as busy:
        busy.setattr("apps.storage.deriving._PATIENCE", 0.001)
        busy.setattr("apps.storage.deriving._places", Places(lambda: 0))
        assert me.get(f"{path}/derivatives/thumb").code == "images_busy"
    assert me.get(f"{path}/derivatives/thumb").status == 302
    assert lying(store_folder, path) == 1


def test_what_was_put_without_its_row_is_deleted_after_a_while(
    world: World, me: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = photo(world, me)
    with monkeypatch.context() as broken:
        broken.setattr(Derivative, "save", lambda *_args, **_kwargs: 1 / 0)
        assert me.get(f"{path}/derivatives/thumb").status == 500
    with enter(world.acorn.ref):
        waiting = list(Condemned.objects.values_list("blob", flat=True))
    assert [blob.rpartition("/")[2][:4] for blob in waiting] == ["drv_"]
    assert me.get(f"{path}/derivatives/thumb").status == 302
    with enter(world.acorn.ref):
        assert list(Condemned.objects.values_list("blob", flat=True)) == waiting


def test_one_whose_bytes_somebody_deleted_is_made_anew(
    world: World, me: Api, made: list[Recipe], store_folder: Path
) -> None:
    path = photo(world, me)
    (first,) = {fetched(me.get(f"{path}/derivatives/thumb"))[0].size for _ in range(2)}
    (blob,) = store_folder.rglob(f"{path.rpartition('/')[2]}/drv_*")
    blob.unlink()
    with clock.frozen(clock.now() + timedelta(minutes=5)):
        assert fetched(me.get(f"{path}/derivatives/thumb"))[0].size == first
    assert (len(made), lying(store_folder, path)) == (2, 1)
    assert len(me.get(f"{path}/derivatives")["data"]) == 1


def test_the_store_is_not_asked_at_every_request(
    world: World, me: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, asked, stat = photo(world, me), list[str](), LocalStore.stat

    def noted(store: LocalStore, key: str) -> Stat | None:
        asked.append(key)
        return stat(store, key)

    monkeypatch.setattr(LocalStore, "stat", noted)
    with clock.frozen(clock.now()):
        for _ in range(4):
            assert me.get(f"{path}/derivatives/thumb").status == 302
    assert len(asked) == 1


def test_nothing_is_made_of_what_nobody_may_have_yet(
    world: World, me: Api, made: list[Recipe], settings: LazySettings
) -> None:
    settings.PACKMULE_SCANNER = "clamav://127.0.0.1:1"
    waiting = photo(world, me)
    assert me.get(f"{waiting}/derivatives/thumb").code == "scan_pending"
    with running_clamd() as clamd:
        settings.PACKMULE_SCANNER = clamd.url
        bad = photo(world, me, encoded(corners((9, 9))) + b"EICAR")
    assert me.get(f"{bad}/derivatives/thumb").code == "file_quarantined"
    announced = me.post(
        "/v1/files", {"bucket": "photos", "name": "cat.png", "content_type": "image/png", "size": 9}
    )
    assert me.get(f"/v1/files/{announced['id']}/derivatives/thumb").code == "file_not_ready"
    assert made == []


def test_who_may_read_the_file_may_have_its_derivatives(world: World, me: Api, api: Api) -> None:
    make_bucket(world.acorn, "logos", visibility="public", presets=PRESETS)
    north, south = world.acorn.parties["north"], world.acorn.parties["south"]
    ours, everybodys = photo(world, me), photo(world, me, bucket="logos")
    visitor = Api(headers={"Packmule-Key": world.acorn.publishable_key})
    strangers = [api.using(south.person_key), visitor, api.using(world.birch.root_key)]
    for path in (ours, everybodys):
        assert fetched(api.using(north.viewer_key).get(f"{path}/derivatives/thumb"))[0].size == (60, 60)
    for caller in strangers:
        assert caller.get(f"{ours}/derivatives/thumb").code == "not_found"
        assert caller.get(f"{ours}/derivatives/nothing").code == "not_found"
    for caller in strangers[:2]:
        assert fetched(caller.get(f"{everybodys}/derivatives/wide"))[0].size == (120, 80)
        assert caller.get(f"{everybodys}/derivatives").status in (403, 404)
    assert strangers[2].get(f"{everybodys}/derivatives/wide").code == "not_found"
    assert len(me.get(f"{everybodys}/derivatives")["data"]) == 2
    with enter(world.acorn.ref, south.uuid):
        assert not Derivative.objects.exists()
    with enter(world.acorn.ref, north.uuid):
        assert Derivative.objects.count() == 3


def test_a_store_that_does_not_answer_is_asked_once_a_minute_and_keeps_nobody_waiting(
    world: World, me: Api, made: list[Recipe], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deriving, "_absence", Absence())
    path, asked = photo(world, me), list[str]()
    for preset in PRESETS:
        assert me.get(f"{path}/derivatives/{preset}").status == 302

    def away(_store: LocalStore, key: str) -> Stat:
        asked.append(key)
        raise StoreUnreachable

    monkeypatch.setattr(LocalStore, "stat", away)
    with clock.frozen(clock.now() + timedelta(hours=1)) as moved:
        for preset in (*PRESETS, *PRESETS):
            assert me.get(f"{path}/derivatives/{preset}").status == 302
        assert len(asked) == 1
        moved.move(absence.LASTS)
        assert me.get(f"{path}/derivatives/thumb").status == 302
    assert (len(asked), len(made)) == (2, len(PRESETS))


def test_who_finds_no_place_does_not_ask_the_store(
    world: World, me: Api, made: list[Recipe], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = photo(world, me)
    assert me.get(f"{path}/derivatives/thumb").status == 302
    monkeypatch.setattr(deriving, "_asking", Places(lambda: 0))
    monkeypatch.setattr(LocalStore, "stat", lambda *_: pytest.fail("asked without a place"))
    with clock.frozen(clock.now() + timedelta(hours=1)):
        assert me.get(f"{path}/derivatives/thumb").status == 302
    assert len(made) == 1
