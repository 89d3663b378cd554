"""A collection of many records, made inside an installation's environment by `fill`.

python -m bench.filling TENANT COUNT

The rows of records and of entries are copied in by the owner of the tables, with the keys that the application makes.
"""

from __future__ import annotations

import os
import random
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import accumulate
from typing import Any
from uuid import UUID

import orjson
import psycopg

from bench.installation import ROOT, Installation

#: What the collection is created with.
DEFINITION: dict[str, Any] = {
    "name": "products",
    "schema": {
        "type": "object",
        "properties": {
            "name": {"type": "string"},
            "sku": {"type": "string"},
            "kind": {"type": "string"},
            "price": {"type": "number"},
            "stock": {"type": "integer"},
            "note": {"type": "string", "maxLength": 400},
        },
        "required": ["name", "price"],
        "additionalProperties": False,
    },
    "indexes": [{"field": "sku", "unique": True}, {"field": "kind"}, {"field": "price"}],
    "search": {"fields": ["name"]},
}
#: The n-th word, and the n-th kind, occur in inverse proportion to n.
WORDS = [f"word{number}" for number in range(5_000)]
KINDS = [f"kind{number}" for number in range(40)]
_WORDS_EACH = 3
_BATCH = 20_000


def fill(installation: Installation, tenant: str, count: int) -> None:
    """Fill the empty collection in the tenant with `count` records, each of one of its organizations."""
    command = [sys.executable, "-m", "bench.filling", tenant, str(count)]
    subprocess.run(command, cwd=ROOT, env=os.environ | installation.environment, check=True)


def product(chance: random.Random, number: int) -> dict[str, Any]:
    """One record: the price is in whole cents up to 1,000, the sku counts."""
    return {
        "name": " ".join(dict.fromkeys(chance.choices(WORDS, cum_weights=_RARER_WORDS, k=_WORDS_EACH))),
        "sku": f"s-{number:07}",
        "kind": chance.choices(KINDS, cum_weights=_RARER_KINDS)[0],
        "price": chance.randrange(100_000) / 100,
        "stock": chance.randrange(1_000),
        "note": "n" * chance.randrange(100, 400),
    }


def _rarer(things: list[str]) -> list[float]:
    return list(accumulate(1 / (place + 1) for place in range(len(things))))


_RARER_WORDS, _RARER_KINDS = _rarer(WORDS), _rarer(KINDS)


def _fill(tenant: str, count: int) -> None:
    import django

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    django.setup()
    from apps.tenancy.models import Tenant
    from apps.tenancy.walls import outside

    with outside():
        schema = Tenant.objects.named(tenant).schema_name
    with psycopg.connect(os.environ["PACKMULE_OWNER_DATABASE_URL"]) as owner:
        owner.execute("select set_config('search_path', %s, false)", [schema])
        organizations = [row[0] for row in owner.execute("select id from orgs_organization order by id")]
        rows = _Rows(owner, organizations)
        chance = random.Random(count)
        for first in range(0, count, _BATCH):
            numbers = range(first, min(first + _BATCH, count))
            rows.write([product(chance, number) for number in numbers], chance)
    with psycopg.connect(os.environ["PACKMULE_OWNER_DATABASE_URL"], autocommit=True) as owner:
        owner.execute("select set_config('search_path', %s, false)", [schema])
        # What autovacuum does by itself, sooner or later.
        owner.execute("vacuum analyze data_record, data_entry")


class _Rows:
    """Writes records and their entries."""

    def __init__(self, owner: psycopg.Connection[Any], organizations: list[UUID]) -> None:
        from apps.core.ids import uuid7
        from apps.data.indexes import SEARCH_SLOT, columns_of, number_of
        from apps.data.keys import words
        from apps.data.models import Collection

        row = owner.execute(
            "select id, number, indexes, schema from data_collection where name = %s", [DEFINITION["name"]]
        ).fetchone()
        assert row is not None
        collection = Collection(id=row[0], number=row[1], indexes=row[2], schema=row[3])
        self.owner, self.organizations, self.collection = owner, organizations, collection.id
        self.columns, self.search = columns_of(collection), number_of(collection, SEARCH_SLOT)
        self.make_id, self.words = uuid7, words

    def write(self, products: list[dict[str, Any]], chance: random.Random) -> None:
        """Copy these in."""
        made = [(self.make_id(), chance.choice(self.organizations), one) for one in products]
        now = datetime.now(UTC).isoformat()
        rest = f"1\t{now}\t{now}\t{self.collection}"
        columns = "id, version, shared, data, schema_version, created_at, updated_at, collection_id, organization_id"
        with self.owner.cursor() as cursor, cursor.copy(f"copy data_record ({columns}) from stdin") as copy:
            for identity, place, data in made:
                copy.write(f"{identity}\t1\tf\t{orjson.dumps(data).decode()}\t{rest}\t{place}\n")
        columns = 'record_id, index, organization_id, shared, key, "unique"'
        with self.owner.cursor() as cursor, cursor.copy(f"copy data_entry ({columns}) from stdin") as copy:
            for identity, place, data in made:
                for number, key, taken in self._entries(data):
                    copy.write(f"{identity}\t{number}\t{place}\tf\t{key}\t{taken}\n")

    def _entries(self, data: dict[str, Any]) -> Iterator[tuple[int, str, str]]:
        for column in self.columns:
            for key in column.keys_in(data):
                yield column.number, key, "t" if column.is_taken(key) else "f"
        for word in self.words(data["name"].split()):
            yield self.search, word, "f"


if __name__ == "__main__":
    _fill(sys.argv[1], int(sys.argv[2]))
