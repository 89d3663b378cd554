"""Several that ask for a derivative at once, in threads that commit: one is made, and none is left behind."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from functools import partial
from pathlib import Path
from threading import Event, Thread
from time import sleep

import pytest
from django.db import connections

from apps.core import clock
from apps.core.ids import uuid7
from apps.storage import deriving, turns
from apps.storage.images import running
from apps.storage.images.recipes import Recipe
from apps.storage.images.tests.pictures import corners, encoded
from apps.storage.models import Condemned, Derivative, FileVersion
from apps.storage.stores.places import Places
from apps.storage.tests.derived import counted, lying
from apps.storage.tests.parcels import announce, arrive
from apps.tenancy.walls import enter
from tests.client import Answer, Api
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
    assert {answer.status for answer in at_once([ask] * 4)} == {302}
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


@contextmanager
def drawing(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Event, Event]]:
    """Each image that is drawn says so by the first event, and waits for the second."""
    begun, goes_on, draw = Event(), Event(), running.draw

    def slow(source: Path, target: Path, recipe: Recipe, said: Callable[[], None]) -> running.Drawn:
        begun.set()
        assert goes_on.wait(20)
        return draw(source, target, recipe, said)

    monkeypatch.setattr(running, "draw", slow)
    yield begun, goes_on
    goes_on.set()


def test_while_it_is_drawn_nothing_waits_and_nothing_is_kept_from_changing(
    scratch: Scratch, monkeypatch: pytest.MonkeyPatch, store_folder: Path
) -> None:
    api, path, answers = Api(scratch.key), photo(scratch), list[Answer]()

    def ask() -> None:
        answers.append(Api(scratch.key).get(f"{path}/derivatives/wide"))
        connections.close_all()

    asking = Thread(target=ask)
    with drawing(monkeypatch) as (begun, goes_on):
        asking.start()
        assert begun.wait(20)
        with connections["owner"].cursor() as cursor:
            cursor.execute(
                "select count(*) from pg_stat_activity where state like 'idle in transaction%'"
                " and datname = current_database()"
            )
            assert cursor.fetchone() == (0,)
            # Of a session, which is somebody else's at the next statement behind PgBouncer.
            cursor.execute("select count(*) from pg_locks where locktype = 'advisory'")
            assert cursor.fetchone() == (0,)
        assert api.patch(path, {"name": "dog.png"}).status == 200
        assert api.post(f"{path}/purge").status == 204
        goes_on.set()
        asking.join(20)
    assert [(answer.status, answer.code) for answer in answers] == [(404, "file_version_unknown")]
    with enter(scratch.ref):
        waiting = set(Condemned.objects.values_list("blob", flat=True))
        assert Derivative.objects.count() == 0
    left = store_folder.rglob(f"{path.rpartition('/')[2]}/drv_*")
    assert {str(blob.relative_to(store_folder)) for blob in left} <= waiting


def test_who_waits_for_somebody_elses_image_is_told_to_come_again(
    scratch: Scratch, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("apps.storage.deriving._PATIENCE", 0.5)
    monkeypatch.setattr("apps.storage.deriving._places", Places(lambda: 9))
    path = photo(scratch)

    def ask() -> Answer:
        return Api(scratch.key).get(f"{path}/derivatives/wide")

    with drawing(monkeypatch) as (_, goes_on):

        def let_go() -> Answer:
            sleep(1.5)
            goes_on.set()
            return Api(scratch.key).get(path)

        answers = at_once([ask, ask, let_go])
    assert sorted((answer.status, answer.code) for answer in answers[:2]) == [(302, ""), (503, "images_busy")]
    assert ask().status == 302


def test_who_was_killed_while_drawing_keeps_others_for_a_while_only(
    scratch: Scratch, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("apps.storage.deriving._PATIENCE", 0.3)
    path = photo(scratch)
    ask = partial(Api(scratch.key).get, f"{path}/derivatives/wide")
    with enter(scratch.ref):
        assert turns._taken(FileVersion.objects.get()) is not None
    assert ask().code == "images_busy"
    with clock.frozen(clock.now() + turns.LASTS + timedelta(seconds=1)):
        assert ask().status == 302


def test_whoever_draws_for_long_keeps_the_turn(scratch: Scratch, monkeypatch: pytest.MonkeyPatch) -> None:
    path, draw = photo(scratch), running.draw

    def slow(source: Path, target: Path, recipe: Recipe, said: Callable[[], None]) -> running.Drawn:
        for _ in range(3):
            moved.move(turns.LASTS * 0.6)
            said()
            assert turns._taken(FileVersion.objects.get()) is None
        return draw(source, target, recipe, said)

    monkeypatch.setattr(running, "draw", slow)
    with clock.frozen(clock.now()) as moved:
        assert Api(scratch.key).get(f"{path}/derivatives/wide").status == 302


def test_one_tenant_never_takes_all_places(scratch: Scratch, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("apps.storage.deriving._PATIENCE", 0.3)
    path, places = photo(scratch), deriving._places
    ask = partial(Api(scratch.key).get, f"{path}/derivatives/wide")
    assert places.take(scratch.ref.id)
    assert ask().code == "images_busy"
    other = uuid7()
    assert places.take(other)
    places.give_back(other)
    places.give_back(scratch.ref.id)
    assert ask().status == 302


def test_those_who_wait_leave_threads_for_everybody_else(
    scratch: Scratch, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = photo(scratch)

    def ask() -> Answer:
        return Api(scratch.key).get(f"{path}/derivatives/wide")

    with drawing(monkeypatch) as (begun, goes_on):

        def one_more() -> Answer:
            assert begun.wait(20)
            sleep(0.5)
            refused = ask()
            goes_on.set()
            return refused

        *answers, refused = at_once([ask, ask, ask, ask, one_more])
    assert [answer.status for answer in answers] == [302] * 4
    assert (refused.status, refused.code, refused.headers["Retry-After"]) == (503, "images_busy", "2")
    assert ask().status == 302
