"""Several that ask for a derivative at once, in threads that commit: one is made, and none is left behind."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from apps.storage.images.recipes import Recipe
from apps.storage.images.tests.pictures import corners, encoded
from apps.storage.models import Condemned, Derivative
from apps.storage.tests.derived import counted, lying
from apps.storage.tests.parcels import announce, arrive
from apps.tenancy.walls import enter
from tests.client import Api
from tests.scratch import Scratch, at_once, scratch_tenant
from tests.world import World

PHOTO = encoded(corners((600, 400)))


@pytest.fixture
def scratch(committing: World) -> Iterator[Scratch]:
    with scratch_tenant() as made:
        Api(made.key).post("/v1/buckets", {"name": "photos", "presets": {"wide": {"width": 120}}})
        yield made


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[Recipe]:
    return counted(monkeypatch)


def photo(scratch: Scratch) -> str:
    api = Api(scratch.key)
    path = f"/v1/files/{announce(api, PHOTO)['id']}"
    arrive(scratch, path.rpartition("/")[2], PHOTO)  # type: ignore[arg-type] # all that it needs is `ref`
    assert api.post(f"{path}/complete").status == 200
    return path


def test_many_that_ask_at_once_get_the_same_one(
    scratch: Scratch, made: list[Recipe], store_folder: Path
) -> None:
    path = photo(scratch)
    ask = partial(Api(scratch.key).get, f"{path}/derivatives/wide")
    assert {answer.status for answer in at_once([ask] * 6)} == {302}
    assert [recipe.width for recipe in made] == [120]
    with enter(scratch.ref):
        assert (Derivative.objects.count(), Condemned.objects.count()) == (1, 0)
    assert lying(store_folder, path) == 1


def test_asked_for_and_purged_at_once_leaves_nothing(scratch: Scratch, store_folder: Path) -> None:
    for _ in range(4):
        path = photo(scratch)
        ask = partial(Api(scratch.key).get, f"{path}/derivatives/wide")
        purge = partial(Api(scratch.key).post, f"{path}/purge")
        answers = at_once([ask, purge])
        assert {answer.status for answer in answers} <= {302, 204, 404}
        with enter(scratch.ref):
            waiting = set(Condemned.objects.values_list("blob", flat=True))
            assert Derivative.objects.count() == 0
        left = store_folder.rglob(f"{path.rpartition('/')[2]}/drv_*")
        assert {str(blob.relative_to(store_folder)) for blob in left} <= waiting
