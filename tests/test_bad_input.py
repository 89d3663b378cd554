"""Bad input, all the way through the server: refused in words, by the same problem document, and nothing half-written.

What a route takes is read from its operation's input, so that a new route is tried without being named here.
"""

from __future__ import annotations

from collections.abc import Iterator
from io import BytesIO
from typing import Any

import orjson
import pytest
from django.test import Client
from pytest_django import DjangoDbBlocker
from rest_framework import serializers as drf

from apps.core import fields as kinds
from apps.core.parameters import Parameters
from apps.core.routes import Route, routes
from tests.client import Answer, Api
from tests.refusals import check_refusal
from tests.sweep.filling import Filled
from tests.sweep.stage import Stage, raised, undone
from tests.world import World

pytestmark = pytest.mark.sweep

ROUTES = routes()
WITH_BODY = [
    route for route in ROUTES if route.method in ("POST", "PUT", "PATCH") and not route.operation.takes
]
WITH_INPUT = [route for route in WITH_BODY if route.operation.input]
LISTS = [route for route in ROUTES if route.operation.lists]
NAMES = "public", "pg_catalog", "information_schema", "console", "pg-toast", "t_01kaaaaaaaaaaaaaaaaaaaaaaa"
#: Operations that take any name: of a queue that nobody described, and in which nothing is, nothing is claimed.
ANY_NAME = frozenset({"jobs.claim"})
SQL = "x'; drop schema public cascade; --", 'a"; select 1; --', "a/**/or/**/1=1", "%s", "{0}", "$1", "\\'"


def _named(found: list[Route] | tuple[Route, ...]) -> list[str]:
    return [f"{route.method} {route.path}" for route in found]


each_route = pytest.mark.parametrize("route", ROUTES, ids=_named(ROUTES))
each_body = pytest.mark.parametrize("route", WITH_BODY, ids=_named(WITH_BODY))
each_input = pytest.mark.parametrize("route", WITH_INPUT, ids=_named(WITH_INPUT))


@pytest.fixture(scope="module")
def stage(django_db_setup: Any, django_db_blocker: DjangoDbBlocker) -> Iterator[Stage]:
    """One stage for all routes, in a transaction that ends with the module."""
    with raised(django_db_setup, django_db_blocker) as made:
        yield made


class Trying:
    """Calls of one route by somebody for whom it works; each is refused and leaves everything as it was."""

    def __init__(self, stage: Stage, route: Route) -> None:
        self.stage, self.route = stage, route
        self.caller, self.filled = stage.serving(route)

    def refused(
        self, status: int, code: str = "", *, body: Any = None, query: dict[str, str] | None = None,
        raw: bytes | None = None, path: str = "", **headers: str,
    ) -> dict[str, Any]:  # fmt: skip
        """Send the call with these differences; the problem that has to come back."""
        filled = Filled(
            path or self.filled.path, self.filled.body if body is None else body,
            self.filled.query | (query or {}), self.filled.cell, media_type=self.filled.media_type,
        )  # fmt: skip
        with undone():
            answer = self.stage.send(self.route.method, filled, self.caller, raw, **headers)
            assert self.stage.is_as_it_was(), f"{answer} left something behind"
        sent = f"{filled.path} {filled.body} {query} {raw!r} {headers}"
        return check_refusal(answer, status, code, sent=sent)


@pytest.fixture
def trying(stage: Stage, route: Route) -> Trying:
    return Trying(stage, route)


# Every route.


@each_route
def test_an_unknown_or_repeated_parameter_is_refused(trying: Trying) -> None:
    problem = trying.refused(400, "parameters_invalid", query={"limitt": "5"})
    assert problem["errors"][0]["field"] == "limitt"
    path = f"{trying.filled.path}?limit=1&limit=1"
    assert trying.refused(400, "parameters_invalid", path=path)["errors"][0]["field"] == "limit"


@each_route
def test_a_method_that_is_not_taken_names_those_that_are(stage: Stage, route: Route) -> None:
    caller, filled = stage.serving(route)
    taken = {each.method for each in ROUTES if each.path == route.path}
    for method in {"GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PURGE"} - taken:
        with undone():
            answer = stage.send(method, filled, caller)
        check_refusal(answer, 405, "method_not_allowed")
        assert set(answer.headers["Allow"].split(", ")) - {"HEAD"} == taken


@each_route
def test_an_answer_in_another_form_is_not_offered(trying: Trying) -> None:
    if trying.route.operation.redirects or trying.route.operation.streams:
        pytest.skip("What it leads to may be of any form.")
    trying.refused(406, "not_acceptable", accept="text/csv")


@each_route
def test_a_header_that_makes_no_sense_is_refused(trying: Trying) -> None:
    if trying.route.operation.versioned:
        for tag in ("v1", 'W/"v1"', '"v1", "v2"', "1"):
            trying.refused(400, "malformed_request", if_match=tag)
        trying.refused(412, "version_mismatch", if_match='"another"')
    if trying.route.method == "POST":
        for key in ("", "x" * 256, "a b", "a\tb", "é"):
            trying.refused(400, "malformed_request", idempotency_key=key)
    trying.refused(400, "malformed_request", packmule_organization="north")
    trying.refused(404, "not_found", packmule_organization="org_00000000000000000000000000")
    trying.refused(409, "tenant_mismatch", packmule_expect_tenant="public")


@pytest.mark.parametrize("route", ROUTES[:2], ids=_named(ROUTES[:2]))
def test_an_environment_that_nobody_has_is_refused(trying: Trying) -> None:
    for name in (
        *NAMES[:3],
        "acorn",
        "acorn/",
        "/production",
        "acorn/production/",
        "nobody/production",
        *SQL,
        "é",
    ):
        trying.refused(404, "not_found", packmule_environment=name)


# Every body.


@each_body
def test_a_body_that_is_not_what_it_says_is_refused(trying: Trying) -> None:
    for kind in ("text/plain", "application/x-www-form-urlencoded", "application/json; charset=latin-1"):
        trying.refused(415, "unsupported_media_type", raw=b'{"a": 1}', content_type=kind)
    for raw in (b"{", b"[]", b'"text"', b"null", b"1", b"{}{}", b"{'a': 1}", b'{"a": NaN}', b"\xff\xfe{}"):
        trying.refused(400, "malformed_request", raw=raw)
    for raw in (b'{"a": "\\u0000"}', b'{"a\\u0000": 1}', b'{"a": "\\ud800"}', b'{"a": "\xc3\x28"}'):
        trying.refused(400, "malformed_request", raw=raw)


@each_body
def test_a_body_that_would_cost_too_much_is_refused(trying: Trying) -> None:
    for raw in (b'{"a":' * 500 + b"1" + b"}" * 500, b'{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}"):
        trying.refused(400, "malformed_request", raw=raw)
    for number in (b"9" * 30, b"-" + b"9" * 4000, b"9223372036854775808"):
        trying.refused(400, "malformed_request", raw=b'{"a": %s}' % number)


@each_body
def test_a_key_that_comes_twice_is_refused(trying: Trying) -> None:
    for name in [*(trying.filled.body or {"anything": 1})][:1]:
        trying.refused(400, "malformed_request", raw=b'{"%s": 1, "%s": 1}' % (name.encode(), name.encode()))


@each_body
def test_an_unknown_field_is_refused_by_name(trying: Trying) -> None:
    for stray in ("naem", "id", "organization_id", "tenant", "schema_name", "__proto__", "is_operator"):
        problem = trying.refused(422, "validation_failed", body={**(trying.filled.body or {}), stray: "x"})
        assert (problem["errors"][0]["field"], problem["errors"][0]["code"]) == (stray, "unknown_field")


@each_input
def test_an_empty_body_is_refused_where_something_is_needed(trying: Trying) -> None:
    fields = trying.route.operation.input().fields  # type: ignore[misc, union-attr]
    if trying.route.method != "PATCH" and any(field.required for field in fields.values()):
        trying.refused(400, "malformed_request", raw=b"")
        trying.refused(422, "validation_failed", raw=b"{}")


def _wrong_for(field: drf.Field[Any, Any, Any, Any]) -> list[Any]:
    """Values of every JSON type that `field` does not take."""
    inside = isinstance(field, drf.Serializer)
    taken: tuple[type, ...] = (dict,) if inside else getattr(field, "takes", (str,))
    samples: list[Any] = [7, 7.5, "text", [], {}]
    wrong = [sample for sample in samples if not isinstance(sample, taken)]
    return wrong if bool in taken else [*wrong, True]


@each_input
def test_each_field_takes_one_type_and_says_so(trying: Trying) -> None:
    for name, field in trying.route.operation.input().fields.items():  # type: ignore[misc, union-attr]
        for wrong in [] if isinstance(field, kinds.JSONField) else _wrong_for(field):
            problem = trying.refused(
                422, "validation_failed", body={**(trying.filled.body or {}), name: wrong}
            )
            assert problem["errors"][0]["field"].partition("[")[0] == name, problem


def _nonsense_for(field: drf.Field[Any, Any, Any, Any]) -> list[str]:
    """Texts that `field` must not take: too long, another syntax, a schema's name, SQL, what nobody can see."""
    bad = ["x" * 100_000]
    if isinstance(field, kinds.SlugField):
        # The slug of what names no tenant and no host, such as a team, may well be "public".
        bad += [name for name in NAMES if name in field.reserved or not name.isalpha()]
        bad += [*SQL, "", " ", "A", "a--b", "-a", "a_b", "é", "a\n", "x" * 41]
    if isinstance(field, kinds.NameField):
        bad += ["a\u202eb", "a\x07b", "a\u2028b", *([] if field.allow_blank else ["", "  "])]
    if isinstance(field, kinds.EmailField):
        bad += [*SQL, "", "a", "a@", "@b.test", "a b@c.test", "a@b.test\n", "a@b"]
    if isinstance(field, kinds.IdField):
        bad += [*SQL, "", "1", f"{field.prefix}_1", f"xxx_{'0' * 26}", f"{field.prefix}_{'z' * 26}"]
    return bad if isinstance(field, kinds.CharField | kinds.IdField) else []


@each_input
def test_each_text_may_be_only_so_long_and_holds_no_nonsense(trying: Trying) -> None:
    for name, field in trying.route.operation.input().fields.items():  # type: ignore[misc, union-attr]
        for bad in _nonsense_for(field):
            problem = trying.refused(422, "validation_failed", body={**(trying.filled.body or {}), name: bad})
            assert problem["errors"][0]["field"] == name


# Paths.


@pytest.mark.parametrize("route", [r for r in ROUTES if r.converters], ids=lambda r: f"{r.method} {r.path}")
def test_a_path_that_names_nonsense_leads_nowhere(trying: Trying) -> None:
    """Whatever stands where an id or a slug belongs, the answer is a 404, and the text is never taken for a schema."""
    wild = ["..", "%00", "a%00b", "%ff%fe", "x" * 2000, "-1", "%27%3B%20drop%20schema%20public%3B--", "T_01"]
    for text in wild if trying.route.operation.name in ANY_NAME else [*NAMES, *wild]:
        path = trying.route.path.format(**dict.fromkeys(trying.route.converters, text))
        trying.refused(404, path=path)


@pytest.mark.parametrize(
    "path",
    [
        "/v1",
        "/v1/",
        "/v1/nothing",
        "/v1/agents/",
        "//v1/agents",
        "/v1/../v1/agents",
        "/v1/Agents",
        "/v1/agents.json",
    ],
)
def test_a_path_that_nobody_serves_is_not_found(world: World, api: Api, path: str) -> None:
    check_refusal(api.using(world.acorn.root_key).call("GET", path), 404, "route_not_found")
    assert api.call("GET", path).status == 404


# Lists.


@pytest.mark.parametrize("route", LISTS, ids=_named(LISTS))
def test_a_cursor_that_was_not_made_here_is_refused(stage: Stage, route: Route, trying: Trying) -> None:
    foreign = Api(stage.world.birch.root_key).get("/v1/organizations?limit=1")["next_cursor"]
    elsewhere = Api(stage.world.acorn.root_key).get("/v1/organizations?limit=1")["next_cursor"]
    own = [] if route.operation.name == "organizations.list" else [elsewhere]
    for cursor in (
        foreign,
        *own,
        f"{foreign}x",
        foreign[:-1],
        foreign.swapcase(),
        "x",
        "é",
        "' or 1=1 --",
        "\0",
    ):
        trying.refused(400, query={"cursor": cursor})
    for limit in ("0", "-1", "201", "1e2", "ten", "", " 5", "5.0", "99999999999999999999", "٣"):
        trying.refused(400, "parameters_invalid", query={"limit": limit})


@pytest.mark.parametrize("route", LISTS, ids=_named(LISTS))
def test_a_filter_that_makes_no_sense_is_refused(trying: Trying) -> None:
    declared = trying.route.operation.input
    fields = declared().fields if declared and issubclass(declared, Parameters) else {}
    for name, field in fields.items():
        if isinstance(field, kinds.IdField | kinds.ChoiceField | kinds.TimestampField | kinds.EmailField):
            for bad in (*SQL, "nonsense", "\0", "x" * 5000):
                trying.refused(400, "parameters_invalid", query={name: bad})
        elif isinstance(field, kinds.CharField):
            trying.refused(400, "parameters_invalid", query={name: "x" * 5000})


def test_a_nul_in_a_text_filter_is_refused_or_finds_nothing(world: World, api: Api) -> None:
    root = api.using(world.acorn.root_key)
    for path in ("/v1/organizations?slug=%00", "/v1/audit?request=%00", "/v1/audit?operation=a%00"):
        assert root.get(path).status in (200, 400), path


# Large bodies.

FIFTY_MB = 50 * 1024 * 1024


@pytest.mark.parametrize("method", ["POST", "PATCH"])
def test_fifty_megabytes_are_refused(world: World, api: Api, method: str) -> None:
    path = "/v1/agents" if method == "POST" else f"/v1/agents/{world.acorn.parties['north'].agent}"
    raw = b'{"name": "' + b"x" * FIFTY_MB + b'"}'
    check_refusal(api.using(world.acorn.root_key).call(method, path, raw=raw), 413, "payload_too_large")


class _Endless(BytesIO):
    """A chunked body that goes on for as long as somebody reads, and counts what was read."""

    taken = 0

    def read(self, size: int | None = -1) -> bytes:
        assert size is not None
        assert size >= 0, "it would read without end"
        self.taken += size
        return b"x" * size


def _chunked(key: str, body: BytesIO) -> Any:
    """Post `body` as a client does that does not know its length."""
    sent = {"Authorization": f"Bearer {key}", "Transfer-Encoding": "chunked", "Host": "127.0.0.1"}
    extra: dict[str, Any] = {"wsgi.input": body, "CONTENT_LENGTH": "", "CONTENT_TYPE": "application/json"}
    client = Client(raise_request_exception=False)
    return client.generic("POST", "/v1/agents", b"", "application/json", headers=sent, **extra)


def test_a_chunked_body_is_read_no_further_than_the_limit(world: World, settings: Any) -> None:
    body = _Endless()
    check_refusal(Answer(_chunked(world.acorn.root_key, body)), 413, "payload_too_large")
    assert body.taken <= settings.PACKMULE_MAX_BODY_BYTES + 65536


def test_a_chunked_body_within_the_limit_is_served(world: World) -> None:
    made = Answer(_chunked(world.acorn.root_key, BytesIO(orjson.dumps({"name": "chunked"}))))
    assert (made.status, made.body.get("name")) == (201, "chunked"), made


# Credentials and hosts.


@pytest.mark.parametrize(
    ("sent", "code"),
    [
        ("Bearer", "credential_malformed"),
        ("Bearer ", "credential_malformed"),
        ("Basic YTpi", "credential_malformed"),
        ("Bearer nonsense", "key_malformed"),
        ("Bearer pmk_live_sk_", "key_truncated"),
        ("Bearer ' or 1=1 --", "key_malformed"),
        ("Bearer " + "x" * 100_000, "key_malformed"),
        ("Bearer pmk_live_sk_é", "key_truncated"),
        ("Bearer \x00", ""),
    ],
)
def test_what_is_no_key_is_refused(world: World, api: Api, sent: str, code: str) -> None:
    check_refusal(api.sending(authorization=sent).get("/v1/whoami"), 401, code, sent=sent)


def test_a_key_that_was_cut_or_changed_anywhere_is_refused(world: World, api: Api) -> None:
    key = world.acorn.root_key
    for cut in range(0, len(key), 7):
        check_refusal(api.using(key[:cut] or "x").get("/v1/whoami"), 401)
        changed = key[:cut] + ("a" if key[cut] != "a" else "b") + key[cut + 1 :]
        check_refusal(api.using(changed).get("/v1/whoami"), 401)
    check_refusal(api.using(key + "a").get("/v1/whoami"), 401)


@pytest.mark.parametrize(
    "host",
    [
        "",
        " ",
        "nobody.test",
        "a b",
        "x" * 300,
        "é.test",
        "[::1",
        "public",
        "t_01",
        "';--",
        "a\0b",
    ],
)
def test_a_host_that_nobody_has_is_refused(world: World, api: Api, host: str) -> None:
    for key in (None, world.acorn.root_key):
        answer = api.using(key).on(host).get("/v1/whoami")
        assert answer.status in (400, 401), answer
        check_refusal(answer, answer.status, sent=host)
