"""The generated pages: complete, current, and served from below docs/ only."""

import json
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command, get_commands, load_command_class
from django.core.management.base import CommandError
from django.test import RequestFactory

from apps.core import problem_codes, reference
from apps.core.endpoints import AnyOperation
from apps.core.operations import all_operations
from apps.core.problems import catalogue
from apps.core.room_commands import OperationsCommand
from apps.core.routes import route_of, routes

#: What only the system does, through commands of the installation.
OPERATORS_ROOMS = {"installation", "tenants"}
#: What people do about their own account on the pages of signing in, and through allauth's API.
BY_PAGES = {
    *("sessions.start", "sessions.refuse", "sessions.end", "users.sign_up", "users.set_password"),
    *("users.change_email", "users.add_second_factor", "users.remove_second_factor"),
    *("users.connect_account", "users.disconnect_account"),
}


def _ours() -> list[AnyOperation]:
    """What the platform declares; other tests declare operations of their own."""
    return [found for found in all_operations() if ".tests." not in found.function.__module__]


def test_every_operation_has_a_url_and_a_section_or_is_the_operators_command() -> None:
    pages = reference.pages()
    for operation in _ours():
        if route_of(operation.name):
            assert f"Operation `{operation.name}`" in pages[f"docs/reference/{operation.room}.md"]
        elif operation.name not in BY_PAGES:
            assert operation.room in OPERATORS_ROOMS, f"{operation.name} is declared and nobody can reach it"


def test_every_room_is_a_command() -> None:
    commands = get_commands()
    for room in {route.operation.room for route in routes()}:
        command = load_command_class(commands[room], room)
        assert isinstance(command, OperationsCommand)
        assert command.room == room


def test_every_command_is_documented() -> None:
    page = reference.pages()["docs/commands.md"]
    for name, app in get_commands().items():
        assert not app.startswith("apps.") or f"\n## {name}\n" in page


def test_llms_txt_names_every_call_in_one_line() -> None:
    lines = reference.llms_txt().splitlines()
    for route in routes():
        (line,) = [line for line in lines if line.startswith(f"- `{route.method} {route.path}`:")]
        assert line.endswith(route.operation.summary)
    assert len(reference.llms_txt()) < 40_000


def test_every_code_that_is_raised_is_explained() -> None:
    codes = problem_codes.codes()
    assert set(catalogue()) <= set(codes)
    assert codes["idempotency_in_flight"].status == 409
    assert codes["unknown_operation"].status == 404
    assert codes["scope_missing"].status == 403
    for code in codes.values():
        assert code.meaning, f"{code.code} is explained nowhere"
        assert f"## {code.code}\n" in reference.pages()["docs/problems.md"]


def test_the_committed_pages_are_what_the_operations_say() -> None:
    """When this fails, run `manage.py docs write` and commit."""
    call_command("docs", "check")


def test_docs_write_makes_what_check_accepts(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(CommandError) as behind:
        call_command("docs", "check", "--root", str(tmp_path), "--json")
    assert behind.value.returncode == 2
    assert json.loads(capsys.readouterr().out)["changed"] == list(reference.pages())
    gone = tmp_path / "docs" / "reference" / "gone.md"
    gone.parent.mkdir(parents=True)
    gone.write_text("# A room that is no more")
    call_command("docs", "write", "--root", str(tmp_path))
    assert not gone.exists()
    call_command("docs", "check", "--root", str(tmp_path))


@pytest.fixture
def docs(tmp_path: Path, settings: Any) -> Path:
    settings.BASE_DIR = tmp_path
    (tmp_path / "docs" / "reference").mkdir(parents=True)
    (tmp_path / "docs" / "problems.md").write_text("# Problems")
    (tmp_path / "docs" / "reference" / "keys.md").write_text("# Keys")
    (tmp_path / "docs" / "secret.txt").write_text("no page")
    (tmp_path / "outside.md").write_text("outside")
    (tmp_path / "docs" / "link.md").symlink_to(tmp_path / "outside.md")
    return tmp_path


def _get(page: str, **headers: Any) -> Any:
    return reference.page_view(RequestFactory().get("/docs/x", **headers), page)


@pytest.mark.usefixtures("docs")
def test_pages_are_served_as_markdown_with_an_etag() -> None:
    answer = _get("reference/keys.md")
    assert (answer.status_code, answer.content) == (200, b"# Keys")
    assert answer["Content-Type"] == "text/markdown; charset=utf-8"
    assert _get("reference/keys.md", HTTP_IF_NONE_MATCH=answer["ETag"]).status_code == 304


@pytest.mark.parametrize(
    "page",
    [
        *["../outside.md", "reference/../../outside.md", "/etc/passwd", "secret.txt", "link.md", "none.md"],
        *["reference", "..%2foutside.md", "problems.md/", "problems.md\n", "\0.md", ""],
    ],
)
@pytest.mark.usefixtures("docs")
def test_nothing_outside_of_the_pages_is_served(page: str) -> None:
    answer = _get(page)
    assert (answer.status_code, json.loads(answer.content)["code"]) == (404, "route_not_found")


def test_llms_txt_is_served_as_text() -> None:
    answer = reference.llms_view(RequestFactory().get("/llms.txt"))
    assert (answer.status_code, answer["Content-Type"]) == (200, "text/plain; charset=utf-8")
