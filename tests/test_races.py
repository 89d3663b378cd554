"""Several at once, in threads that commit: one carries it out, and nobody is told a thing that did not happen."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from threading import Thread

import psycopg
import pytest
from django.db import connections

from apps.orgs.models import Organization
from apps.tenancy.walls import enter, tenant_role
from tests.client import Answer, Api
from tests.refusals import check_refusal
from tests.scratch import Scratch, at_once, scratch_tenant, wait_until_somebody_waits
from tests.world import World

NEW = {"name": "New", "slug": "new"}


@pytest.fixture
def scratch(committing: World) -> Iterator[Scratch]:
    with scratch_tenant() as made:
        yield made


def test_many_at_once_are_one(scratch: Scratch) -> None:
    """Eight threads with one key: one carries it out, the others are told to wait or get its answer."""

    def post() -> Answer:
        return Api(scratch.key).post("/v1/organizations", NEW, idempotency_key="k")

    for _ in range(3):
        answers = at_once([post] * 8)
        assert {answer.status for answer in answers} <= {201, 409}
        assert {answer.code for answer in answers if answer.status == 409} <= {"idempotency_in_flight"}
        assert len({answer["id"] for answer in answers if answer.status == 201}) == 1
    with enter(scratch.ref):
        assert Organization.objects.filter(slug="new").count() == 1


def test_one_in_flight_is_a_conflict_that_passes(scratch: Scratch) -> None:
    """The first call waits for a row that another connection holds; the second one does not wait for the first."""
    answers: list[Answer] = []

    def post() -> Answer:
        return Api(scratch.key).post("/v1/organizations", NEW, idempotency_key="k")

    def first() -> None:
        answers.append(post())
        connections.close_all()

    parameters = connections["default"].get_connection_params()
    with psycopg.connect(**parameters) as holder:
        holder.execute(f'set role "{tenant_role(scratch.ref.schema_name)}"')
        holder.execute(
            f'insert into "{scratch.ref.schema_name}".orgs_organization (id, slug, name, personal, version) '
            "values (gen_random_uuid(), 'new', 'Held', false, 1)"
        )
        thread = Thread(target=first)
        thread.start()
        wait_until_somebody_waits()
        problem = check_refusal(post(), 409, "idempotency_in_flight")
        assert problem["retryable"] is True
        holder.rollback()
        thread.join(20)
    assert [answer.status for answer in answers] == [201]
    again = post()
    assert (again["id"], again.headers["Idempotency-Replayed"]) == (answers[0]["id"], "true")


def test_of_two_writers_with_one_etag_one_wins(scratch: Scratch) -> None:
    api = Api(scratch.key)
    path = f"/v1/organizations/{scratch.organization.public_id}"
    for number in range(5):
        tag = api.get(path).headers["ETag"]
        names = [f"Name {number} of {writer}" for writer in "abc"]
        answers = at_once([partial(api.patch, path, {"name": name}, if_match=tag) for name in names])
        assert sorted(answer.status for answer in answers) == [200, 412, 412]
        (winner,) = [answer for answer in answers if answer.status == 200]
        for answer in answers:
            if answer is not winner:
                check_refusal(answer, 412, "version_mismatch")
        assert api.get(path)["name"] == winner["name"]


def test_of_two_who_want_one_name_one_gets_it(scratch: Scratch) -> None:
    api = Api(scratch.key)
    works = [lambda: api.post("/v1/organizations", NEW)] * 4
    answers = at_once(works)
    assert sorted(answer.status for answer in answers) == [201, 409, 409, 409]
    assert {answer.code for answer in answers if answer.status == 409} == {"slug_taken"}
