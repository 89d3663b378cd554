"""Commands: one document on stdout, exit codes of the contract, and the API's own answers."""

import json
from collections.abc import Callable
from io import StringIO
from typing import Any

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError
from django.http import HttpRequest
from django.http.response import HttpResponseBase

from apps.core import command_options, command_text, local_api, operations, problems, room_commands
from apps.core.commands import CHANGES, Outcome, PackmuleCommand, exit_code
from apps.core.ids import encode, uuid7
from apps.core.local_api import LocalAnswer, LocalCall, send
from apps.core.problem_handlers import problem_response
from apps.core.room_commands import OperationsCommand, example_of, routes_of

SAMPLE = "apps.core.tests.sample"
WIDGET = encode("job", uuid7())


class Greet(PackmuleCommand):
    help = "Say hello."
    examples = ("greet --name Ada --json",)

    def add_arguments(self, parser: Any) -> None:
        parser.add_argument("--name", default="World")
        parser.add_argument("--changes", action="store_true")

    def perform(self, *, name: str, changes: bool, **options: Any) -> Any:
        if name == "nobody":
            raise problems.missing("person", name)
        if name == "crash":
            raise RuntimeError("the secret")
        return Outcome({"hello": name}, CHANGES if changes else 0)


class Widgets(OperationsCommand):
    room = "widgets"
    urlconf = SAMPLE


def _acting(
    get_response: Callable[[HttpRequest], HttpResponseBase],
) -> Callable[[HttpRequest], HttpResponseBase]:
    """Stand in for the real middleware: any key but `bad` is an actor."""

    def handle(request: HttpRequest) -> HttpResponseBase:
        request.request_id = "req_1"  # type: ignore[attr-defined]
        if request.headers.get("Authorization") == "Bearer bad":
            return problem_response(problems.Unauthenticated("That key is dead."), request)
        request.actor = request.META[local_api.EDGE_KEY]  # type: ignore[attr-defined]
        return get_response(request)

    return handle


@pytest.fixture
def sample_api(settings: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The sample room behind the stack's shape, without the gates, which have tests of their own."""
    monkeypatch.setattr(operations, "decide", lambda *_: operations.Decision("allow", None, ""))
    settings.ROOT_URLCONF, settings.MIDDLEWARE = SAMPLE, [f"{__name__}._acting"]
    settings.PACKMULE_KEY, settings.PACKMULE_HOSTS = "good", ["localhost"]
    local_api._handler.cache_clear()
    yield settings
    local_api._handler.cache_clear()


def _run(command: PackmuleCommand, *words: str) -> tuple[int, str, str]:
    command.stdout._out, command.stderr._out = StringIO(), StringIO()  # type: ignore[attr-defined]
    with pytest.raises(SystemExit) as ended:
        command.run_from_argv(["manage.py", "it", *words])
    return (
        int(ended.value.code or 0),
        command.stdout._out.getvalue(),
        command.stderr._out.getvalue(),
    )


def test_a_command_prints_one_document() -> None:
    assert _run(Greet(), "--name", "Ada", "--json") == (0, '{"hello":"Ada"}\n', "")
    assert _run(Greet()) == (0, "hello: World\n", "")


def test_changes_are_told_by_the_exit_code_after_the_document() -> None:
    assert _run(Greet(), "--changes", "--json") == (2, '{"hello":"World"}\n', "")


def test_a_refusal_is_the_document_or_a_sentence() -> None:
    code, out, err = _run(Greet(), "--name", "nobody", "--json")
    assert (code, json.loads(out)["code"], err) == (3, "not_found", "")
    code, out, err = _run(Greet(), "--name", "nobody")
    assert (code, out) == (3, "")
    assert "There is no person “nobody” here" in err


def test_wrong_usage_exits_with_64_and_says_so_in_json_too() -> None:
    code, out, err = _run(Greet(), "--nmae", "x", "--json")
    assert (code, json.loads(out)["code"], err) == (64, "bad_usage", "")
    assert "--nmae" in json.loads(out)["detail"]
    assert _run(Greet(), "--nmae")[0] == 64


def test_a_mistake_of_ours_shows_nothing_of_itself(caplog: pytest.LogCaptureFixture) -> None:
    code, out, _ = _run(Greet(), "--name", "crash", "--json")
    assert (code, json.loads(out)["code"]) == (1, "internal_error")
    assert "the secret" not in out
    assert caplog.records


def test_called_from_code_a_refusal_is_an_exception() -> None:
    out = StringIO()
    call_command(Greet(), name="Ada", json=True, stdout=out)
    assert json.loads(out.getvalue()) == {"hello": "Ada"}
    with pytest.raises(CommandError) as refused:
        call_command(Greet(), name="nobody")
    assert refused.value.returncode == 3


@pytest.mark.parametrize(
    ("status", "code"),
    [
        *[(200, 0), (201, 0), (202, 6), (204, 0), (400, 64), (401, 4), (403, 4), (404, 3), (405, 1)],
        *[(409, 5), (412, 5), (413, 1), (422, 64), (429, 7), (500, 1), (503, 1)],
    ],
)
def test_every_status_has_its_exit_code(status: int, code: int) -> None:
    assert exit_code(status) == code


def test_help_ends_with_examples(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        Greet().run_from_argv(["manage.py", "greet", "--help"])
    assert "manage.py greet --name Ada --json" in capsys.readouterr().out
    with pytest.raises(SystemExit):
        Widgets().run_from_argv(["manage.py", "widgets", "create", "--help"])
    said = capsys.readouterr().out
    assert "Do widgets.create to a widget." in said
    assert "scope widgets:write, risk write" in said
    assert "manage.py widgets create --name NAME --json" in said
    assert "--kind round|square" in said


@pytest.mark.usefixtures("sample_api")
def test_a_room_command_gives_the_apis_own_bytes() -> None:
    code, out, _ = _run(Widgets(), "show", WIDGET, "--json")
    answer = send(LocalCall("GET", f"/v1/widgets/{WIDGET}", headers={"Authorization": "Bearer good"}))
    assert (code, out.encode()) == (0, answer.body + b"\n")
    assert json.loads(out)["id"] == WIDGET


@pytest.mark.usefixtures("sample_api")
def test_a_room_command_reads_as_lines_for_people() -> None:
    code, out, _ = _run(Widgets(), "show", WIDGET)
    assert code == 0
    assert f"id: {WIDGET}\nname: Widget\nkind: round\nsize: -\n" in out


def test_a_key_that_is_missing_or_refused_exits_with_4(sample_api: Any) -> None:
    sample_api.PACKMULE_KEY = "bad"
    code, out, _ = _run(Widgets(), "show", WIDGET, "--json")
    assert (code, json.loads(out)["detail"]) == (4, "That key is dead.")
    sample_api.PACKMULE_KEY = ""
    code, out, err = _run(Widgets(), "show", WIDGET)
    assert (code, out) == (4, "")
    assert "export PACKMULE_KEY" in err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["show", "job_1"], "“job_1” is no widget. It looks like job_01k…"),
        (["create"], "Missing: --name."),
        (["create", "--name", "x", "--payload", "{"], "--payload: The body is not JSON"),
        (["create", "--body", "@/nowhere"], "cannot be read"),
        (["create", "--name", "x", "--colour", "red"], "colour"),
        (["dance"], "dance"),
        ([], "VERB"),
    ],
)
@pytest.mark.usefixtures("sample_api")
def test_what_does_not_parse_is_wrong_usage(words: list[str], said: str) -> None:
    code, out, _ = _run(Widgets(), *words, "--json")
    assert code == 64
    assert said.lower() in json.loads(out)["detail"].lower()


def _call(*words: str) -> LocalCall:
    command = Widgets()
    options = vars(command.create_parser("manage.py", "widgets").parse_args(list(words)))
    return command_options.build_call(routes_of("widgets", SAMPLE)[options["verb"]], options)


def test_options_become_typed_fields() -> None:
    call = _call(
        *("create", "--body", '{"slug": "ab", "name": "old"}', "--name", "new", "--size", "3", "--shiny"),
        *(
            "--scopes",
            "a:b,c:d",
            "--payload",
            '{"x": [1]}',
            "--idempotency-key",
            "k1",
            "--in-environment",
            "a/b",
        ),
    )
    assert (call.method, call.path) == ("POST", "/v1/widgets")
    assert call.body == {
        "slug": "ab",
        "name": "new",
        "size": 3,
        "shiny": True,
        "scopes": ["a:b", "c:d"],
        "payload": {"x": [1]},
    }
    assert call.headers == {"Idempotency-Key": "k1", "Packmule-Environment": "a/b"}


def test_a_change_sends_what_was_given_and_the_version() -> None:
    call = _call("change", WIDGET, "--no-shiny", "--if-version", "3")
    assert (call.method, call.path, call.body) == ("PATCH", f"/v1/widgets/{WIDGET}", {"shiny": False})
    assert call.headers == {"If-Match": '"v3"'}


def test_filters_become_parameters() -> None:
    call = _call("search", "top", "--kind", "round", "--types", "a,b")
    assert (call.path, call.query) == ("/v1/shelves/top/widgets", {"kind": "round", "types": "a,b"})
    assert _call("list", "--limit", "5").query == {"limit": "5"}


def test_all_pages_come_as_one(sample_api: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    pages = {None: ([1, 2], "c1"), "c1": ([3], "c2"), "c2": ([], None)}

    def answer(call: LocalCall) -> LocalAnswer:
        data, following = pages[call.query.get("cursor")]
        return LocalAnswer(200, {}, json.dumps({"data": data, "next_cursor": following}).encode())

    monkeypatch.setattr(room_commands, "send", answer)
    code, out, _ = _run(Widgets(), "list", "--all", "--json")
    assert (code, json.loads(out)) == (0, {"data": [1, 2, 3], "next_cursor": None})


def test_a_call_that_waits_for_a_person_says_how_to_go_on(
    sample_api: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = {"approval": {"id": "apr_1", "status": "pending", "expires_at": "2026-11-01T00:00:00.000000Z"}}
    monkeypatch.setattr(room_commands, "send", lambda _: LocalAnswer(202, {}, json.dumps(asked).encode()))
    code, out, _ = _run(Widgets(), "delete", WIDGET)
    assert code == 6
    assert "apr_1" in out
    assert "once it is approved" in out
    assert json.loads(_run(Widgets(), "delete", WIDGET, "--json")[1]) == asked


def test_every_operation_with_a_url_has_a_verb_and_an_example() -> None:
    found = routes_of("widgets", SAMPLE)
    assert list(found) == ["cancel", "change", "create", "delete", "list", "search", "show"]
    assert example_of(found["change"]) == "widgets change WIDGET --json"


def test_a_page_reads_as_a_table() -> None:
    page = {"data": [{"id": "a", "name": "Ada"}, {"id": "b", "name": None}], "next_cursor": "c"}
    assert command_text.document(page) == "id  name\na   Ada\nb   -\nmore: --cursor c"
    nested = {"data": [{"a": {"id": "x", "name": "N"}, "b": [{"id": "y"}, 1], "c": {}}], "next_cursor": None}
    assert command_text.document(nested) == "a  b     c\nN  y, 1  {…}"
    assert command_text.document({"data": [], "next_cursor": None}) == "There are none."
    assert command_text.document({}) == "Done."
