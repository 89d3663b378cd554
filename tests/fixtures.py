"""Fixtures: a real Postgres with the walls up, the shared world, and clients.

One server a session, made as the owner; the tests themselves run as the server's login role, inside the real walls,
in transactions that are rolled back. A test that has to commit takes `committing` and cleans up through it.
"""

from __future__ import annotations

import gc
import os
from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import hypothesis
import pytest
from django.conf import settings
from django.db import connections
from pytest_django import DjangoDbBlocker

from apps.storage.stores.local import LocalStore
from apps.tenancy.embedded import EmbeddedPostgres
from tests.client import Api
from tests.layers import may_hold
from tests.prepared import URLS, Prepared, prepared, urls
from tests.standins import s3
from tests.standins.s3 import S3Server

if TYPE_CHECKING:
    # Its models can be imported no sooner than Django is set up.
    from tests.world import World

SPARES = 4
# Python's own would look at all of Django's classes again and again, for a quarter of the tests' time.
_COLLECT_AFTER = (20_000, 20, 20)
#: The same in every session, for a server that outlives them.
MASTER_KEY = b64encode(b"the master key of all the tests!").decode()


# No test says how fast something is, and the machine may be busy. The gate tries the same made-up input at every run,
# so that its answer is about the code alone; other runs search on.
hypothesis.settings.register_profile("search", deadline=None)
hypothesis.settings.register_profile("gate", deadline=None, derandomize=True)
hypothesis.settings.load_profile("gate" if os.environ.get("CI") else "search")


def pytest_configure() -> None:
    """Hash passwords fast: a good hash is slow on purpose, and the tests sign in a hundred times."""
    gc.set_threshold(*_COLLECT_AFTER)
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    # Each test client has a stack of its own, which would read all static files first: 15 ms for every call.
    settings.WHITENOISE_AUTOREFRESH = True
    settings.PACKMULE_MASTER_KEY = MASTER_KEY
    settings.PACKMULE_PORT = 80  # whatever runs on this machine's own data directory
    settings.PACKMULE_LOGIN_FILE = Path(os.devnull) / "login.json"  # nobody's own sign-in


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Leave alone the files in which `-m` takes nothing."""
    marks = config.getoption("markexpr")
    if not marks or not collection_path.is_file() or not collection_path.match("test_*.py"):
        return None
    return None if may_hold(collection_path, marks) else True


def pytest_collection_finish() -> None:
    """Leave out of every later garbage collection what stays until the end: modules, and the tests themselves."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session", autouse=True)
def store_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the bytes of the tests' files lie."""
    settings.PACKMULE_STORAGE_DIR = tmp_path_factory.mktemp("files")
    LocalStore(settings.PACKMULE_STORAGE_DIR).begin()
    return Path(settings.PACKMULE_STORAGE_DIR)


@pytest.fixture(scope="session")
def installed(pytestconfig: pytest.Config, django_db_blocker: DjangoDbBlocker) -> Prepared | None:
    """The installation that this session's server begins as; None where the environment names a server."""
    if all(os.environ.get(name) for name in URLS):
        return None

    def build(urls: dict[str, str]) -> World:
        with django_db_blocker.unblock():
            return _built(urls)

    return prepared(pytestconfig.cache.mkdir("installation"), build)


@pytest.fixture(scope="session")
def postgres(installed: Prepared | None) -> Iterator[dict[str, str]]:
    """A running server; its URLs by the names of the settings."""
    if installed is None:
        yield {name: os.environ[name] for name in URLS}
        return
    with EmbeddedPostgres.temporary(template=installed.data) as server:
        yield urls(server)


@pytest.fixture(scope="session")
def django_db_setup(
    postgres: dict[str, str], installed: Prepared | None, django_db_blocker: DjangoDbBlocker
) -> Iterator[World]:
    """The session's server with the world in it, committed, for all tests."""
    with django_db_blocker.unblock():
        if installed is None:
            made = _built(postgres)
        else:
            _point_connections_at(postgres)
            made = installed.world
        yield made
        connections.close_all()


def _built(urls: dict[str, str]) -> World:
    """Install into a server, and build the world and some spares."""
    from apps.tenancy.installation import install
    from apps.tenancy.provisioning import build_spare
    from tests import world

    _point_connections_at(urls)
    made = world.build(install())
    for _ in range(SPARES):
        build_spare("environment")
    connections.close_all()
    return made


def _point_connections_at(urls: dict[str, str]) -> None:
    """Aim both connections at `urls`: settings were read before there was a server."""
    from config import env

    for alias, name in (("default", "PACKMULE_DATABASE_URL"), ("owner", "PACKMULE_OWNER_DATABASE_URL")):
        connections[alias].close()
        connections.databases[alias].update({**env.database(name, urls[name]), "CONN_MAX_AGE": None})


@pytest.fixture
def world(db: None, django_db_setup: Any) -> Any:
    """The shared world; whatever a test does to it is rolled back."""
    return django_db_setup


@pytest.fixture
def api() -> Api:
    """A client without a credential."""
    return Api()


@pytest.fixture
def committing(django_db_setup: Any, django_db_blocker: DjangoDbBlocker) -> Iterator[Any]:
    """The world for a test that really commits (threads, the owner's connection). It leaves the world as it was."""
    with django_db_blocker.unblock():
        yield django_db_setup
        connections.close_all()


@pytest.fixture(scope="session")
def s3_server() -> Iterator[S3Server]:
    """A real S3 server with an empty bucket, for the session."""
    s3.require_server()
    with s3.serving() as server:
        yield server
