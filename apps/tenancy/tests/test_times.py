"""Times come out of the database as Django reads them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from django.db import DataError, connection
from hypothesis import given
from hypothesis import strategies as st
from psycopg.pq import Format

from apps.tenancy.backend.times import UtcLoader
from tests.world import World

_OID = 1184


def read(said: datetime | str) -> datetime:
    with connection.cursor() as cursor:
        cursor.execute("select %s::timestamptz", [said])
        found: datetime = cursor.fetchone()[0]
        return found


def test_connections_read_times_so(world: World) -> None:
    connection.ensure_connection()
    loader = connection.connection.adapters.get_loader(_OID, Format.TEXT)
    assert loader is UtcLoader
    assert loader.timezone is connection.timezone


@given(moment=st.datetimes(timezones=st.just(UTC)))
def test_what_is_written_reads_back_the_same(django_db_setup: World, moment: datetime) -> None:
    loader = UtcLoader(_OID)
    text = f"{moment:%H:%M:%S.%f}".rstrip("0").rstrip(".")
    assert loader.load(f"{moment.date().isoformat()} {text}+00".encode()) == moment


@pytest.mark.parametrize("tick", [0, 1, 10, 120_000, 123_456, 999_999])
def test_fractions_of_a_second(world: World, tick: int) -> None:
    moment = datetime(2026, 12, 1, 0, 0, 59, tick, tzinfo=UTC)
    assert (read(moment), read(moment).tzinfo) == (moment, UTC)
    away = moment.astimezone(timezone(timedelta(hours=5, minutes=30)))
    assert read(away) == moment


def test_another_zone_of_the_connection_goes_djangos_way() -> None:
    found = UtcLoader(_OID).load(b"2026-12-01 05:30:00+05:30")
    assert found.tzinfo is UTC


def test_what_python_cannot_hold_is_refused(world: World) -> None:
    for said in ("infinity", "0044-03-15 00:00:00+00 BC"):
        with pytest.raises(DataError):
            read(said)
