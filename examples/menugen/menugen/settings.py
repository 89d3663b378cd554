"""What MenuGen knows of its backend: addresses, keys and ids, in a file that nobody else reads."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass, field
from pathlib import Path


@dataclass
class Settings:
    """`url` is Packmule's; `site` is where MenuGen itself is reached by browsers and by webhooks."""

    url: str
    site: str
    agent: str = ""
    #: The agent's keys: what its worker may do, and what the web server needs of it.
    worker_key: str = ""
    asking_key: str = ""
    #: May stand in the page. It is good on `website` alone.
    publishable_key: str = ""
    website: str = ""
    #: The ids of these keys, by the names of the settings that they are.
    keys: dict[str, str] = field(default_factory=dict)
    webhook_id: str = ""
    webhook_secret: str = ""

    def save(self) -> None:
        """Keep it, readable for nobody else."""
        path = home() / "settings.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        fresh = path.with_suffix(".new")
        with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            json.dump(asdict(self), file, indent=2)
        fresh.replace(path)


def home() -> Path:
    """The folder of this installation of MenuGen: MENUGEN_HOME, or .menugen here."""
    return Path(os.environ.get("MENUGEN_HOME", ".menugen"))


def load() -> Settings:
    """What was kept. Raises FileNotFoundError before the backend was set up."""
    return Settings(**json.loads((home() / "settings.json").read_text()))
