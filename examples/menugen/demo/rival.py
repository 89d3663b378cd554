"""Another customer tries to see Anna's menu, in every way that there is."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from menugen.api import Refused

from demo.people import Person
from demo.telling import WentWrong


def sees_nothing(bruno: Person, anna: Person, menu: str, picture: str) -> Iterator[str]:
    """What Bruno tried and what came of it. Raises WentWrong if he sees anything of Anna's."""
    his, hers = bruno.me["organization"]["id"], anna.me["organization"]["id"]
    yield f"{bruno.email} acts in {his}"
    lists = {
        "menus": "/v1/collections/menus/records",
        "dishes": "/v1/collections/dishes/records",
        "files": "/v1/files",
        "jobs": "/v1/jobs",
    }
    seen = {name: len(bruno.api.get(path)["data"]) for name, path in lists.items()}
    if any(seen.values()):
        raise WentWrong(f"Bruno sees {seen}.")
    yield ", ".join(f"{number} {name}" for name, number in seen.items())
    tries = {
        "her menu": lambda: bruno.api.get(f"{lists['menus']}/{menu}"),
        "a picture": lambda: bruno.api.get(f"/v1/files/{picture}/link"),
        "the past of her menu": lambda: bruno.api.get(f"/v1/timeline/{menu}"),
        "her organization": lambda: bruno.api.acting(Packmule_Organization=hers).get("/v1/jobs"),
    }
    for what, attempt in tries.items():
        yield f"{what}: {_refusal(attempt)}"


def _refusal(attempt: Callable[[], Any]) -> str:
    try:
        answer = attempt()
    except Refused as refusal:
        if refusal.status not in (403, 404):
            raise WentWrong(f"Bruno was refused for another reason: {refusal}") from None
        return f"{refusal.status} {refusal.code}"
    raise WentWrong(f"Bruno was answered {answer}.")
