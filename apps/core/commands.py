"""Management commands that an agent can drive: `--json`, stable exit codes, problems instead of tracebacks.

With `--json` there is exactly one JSON document on stdout, the problem document when it was refused; logs and all
other words go to stderr. `EXIT_CODES` of the contract: 0 done, 1 failed, 2 there are changes, 3 not found, 4 refused,
5 conflict, 6 needs approval, 7 rate or quota limit, 64 bad usage (a refused field or parameter included).
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser, handle_default_options
from django.db import connections

from apps.core import command_text
from apps.core.problem_handlers import from_exception, problem_for
from apps.core.problems import Problem, Remedy, ServiceUnavailable
from apps.core.strictjson import dumps

DONE, FAILED, CHANGES, NOT_FOUND, REFUSED, CONFLICT, NEEDS_APPROVAL, LIMITED, BAD_USAGE = (
    0,
    1,
    2,
    3,
    4,
    5,
    6,
    7,
    64,
)
_EXIT_CODES = {
    400: BAD_USAGE,
    401: REFUSED,
    402: LIMITED,
    403: REFUSED,
    404: NOT_FOUND,
    409: CONFLICT,
    412: CONFLICT,
    422: BAD_USAGE,
    429: LIMITED,
}


def exit_code(status: int) -> int:
    """Return the exit code for an answer with this HTTP status."""
    if status == 202:
        return NEEDS_APPROVAL
    return DONE if status < 400 else _EXIT_CODES.get(status, FAILED)


class BadUsage(Problem):
    """The command line is wrong: an unknown option, one that is missing, or a value that does not parse."""

    status, code, title = 400, "bad_usage", "The command line is wrong"
    advice = "See --help of the command for its options and examples."


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a command did: one document, and how to exit."""

    document: Any
    code: int = DONE


class Failure(CommandError):  # noqa: N818 - a refusal is no error
    """A command that ends with another exit code than 0; `document` goes to stdout or is said on stderr."""

    def __init__(self, document: Mapping[str, Any], code: int) -> None:
        super().__init__(command_text.refusal(document), returncode=code)
        self.document = document

    @classmethod
    def of(cls, problem: Problem) -> Failure:
        """Return the failure that `problem` means for a command."""
        return cls(explained(problem.document()), exit_code(problem.status))


def explained(document: Mapping[str, Any]) -> Mapping[str, Any]:
    """The problem `document` of this machine; where its database is away since nothing runs, it says what to start."""
    if document["code"] != ServiceUnavailable.code or settings.PACKMULE_PORT:
        return document
    remedy = Remedy("manage.py up")
    said = f"No installation runs on {settings.PACKMULE_DATA_DIR}: start it with `{remedy.command}`, or name the server"
    detail = f"{document['detail']} {said} of another in PACKMULE_DATABASE_URL."
    return {**document, "detail": detail, "remedy": remedy.document()}


class PackmuleCommand(BaseCommand):
    """Base of all commands. Implement `perform`, raise problems, declare `examples` (lines without `manage.py`)."""

    examples: ClassVar[Sequence[str]] = ()
    requires_system_checks: tuple[str, ...] = ()

    def perform(self, *args: Any, **options: Any) -> Any:
        """Do it, and return the document to show, or an Outcome. Raises a Problem."""
        raise NotImplementedError

    def describe(self, document: Any) -> str:
        """Return `document` for people."""
        return command_text.document(document)

    def create_parser(self, prog_name: str, subcommand: str, **kwargs: Any) -> CommandParser:
        """Add --json, and the examples below the help."""
        kwargs.setdefault("formatter_class", argparse.RawDescriptionHelpFormatter)
        kwargs.setdefault("epilog", examples_text(self.examples))
        parser = super().create_parser(prog_name, subcommand, **kwargs)
        add_json_option(parser, default=False)
        return parser

    def handle(self, *_: Any, **options: Any) -> None:
        """Run `perform` and show its document. Raises Failure for a problem or an exit code other than 0."""
        as_json = bool(options.pop("json", False))
        try:
            result = self.perform(**options)
        except Exception as refusal:
            problem = from_exception(refusal)
            if problem is None:
                raise
            raise Failure.of(problem) from refusal
        outcome = result if isinstance(result, Outcome) else Outcome(result)
        self.stdout.write(dumps(outcome.document).decode() if as_json else self.describe(outcome.document))
        if outcome.code != DONE:
            raise CommandError(returncode=outcome.code)

    def run_from_argv(self, argv: list[str]) -> None:
        """Be the whole process: parse, run, and exit with the code of the contract."""
        try:
            code = self._run(argv)
        except CommandError as failure:
            code = self._report(failure, as_json="--json" in argv)
        except Exception as failure:  # noqa: BLE001 - the last line: a traceback goes to the log, not to the caller
            code = self._report(Failure.of(problem_for(failure, None)), as_json="--json" in argv)
        finally:
            connections.close_all()
        sys.exit(code)

    def _run(self, argv: list[str]) -> int:
        parser = self.create_parser(argv[0], argv[1])
        try:
            options = parser.parse_args(argv[2:])
        except CommandError as wrong:
            raise Failure.of(BadUsage(_sentence(str(wrong)))) from None
        handle_default_options(options)
        self.execute(**vars(options))
        return DONE

    def _report(self, failure: CommandError, *, as_json: bool) -> int:
        document = failure.document if isinstance(failure, Failure) else None
        if as_json and document is not None:
            self.stdout.write(dumps(document).decode())
        elif str(failure):
            self.stderr.write(str(failure))
        return failure.returncode


def add_json_option(parser: argparse.ArgumentParser, *, default: Any) -> None:
    """Add --json. A sub-command's parser takes argparse.SUPPRESS, so that it does not undo the outer one."""
    said = "one JSON document on stdout; everything else goes to stderr"
    parser.add_argument("--json", action="store_true", default=default, help=said)


def examples_text(examples: Sequence[str]) -> str:
    """Return the last part of a help text."""
    return "\n".join(["examples:", *(f"  manage.py {line}" for line in examples)]) if examples else ""


def _sentence(text: str) -> str:
    return f"{text.removeprefix('Error: ').rstrip('.').capitalize()}. {BadUsage.advice}"
