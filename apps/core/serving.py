"""What has to be right before a process may serve; rooms above register their checks in AppConfig.ready()."""

from collections.abc import Callable

Objection = Callable[[], str | None]

_checks: list[Objection] = []


def before_serving(check: Objection) -> None:
    """Ask `check` before serving begins; what it returns is a sentence why it may not, or None."""
    if check not in _checks:
        _checks.append(check)


def objections() -> list[str]:
    """Every reason why this process may not serve, in sentences."""
    return [reason for check in _checks if (reason := check()) is not None]
