"""`make demo`: from an empty console to an illustrated menu, with a death in the middle.

DATA_DIR=…  PHOTO=…  DEMO_EXIT=1  python -m demo

Paths are those of the folder FROM, without it of this one.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path
from types import FrameType

from demo import installation, story
from demo.processes import started
from demo.telling import Teller

_SAMPLE = Path(__file__).resolve().parent.parent / "photos" / "sample-menu.jpg"


def main() -> int:
    """Tell the story. With DEMO_EXIT=1, or when it went wrong, its end is one line of JSON; else all is served on."""
    signal.signal(signal.SIGTERM, _interrupt)
    here = Path(os.environ.get("FROM", ""))
    data = (here / os.environ.get("DATA_DIR", ".packmule")).resolve()
    photo = (here / (os.environ.get("PHOTO") or _SAMPLE)).resolve()
    if not photo.is_file():
        return _end(story.Told(problem=f"There is no photo {photo}. Name one: make demo PHOTO=path.jpg"))
    os.environ["MENUGEN_HOME"] = str(data / "menugen")
    leaves = os.environ.get("DEMO_EXIT") == "1"
    teller = Teller()
    try:
        with installation.running(data) as packmule, started() as processes:
            told = story.tell(teller, packmule, processes, data, photo)
            if not leaves and not told.problem:
                story.show(packmule, told)
                signal.pause()
    except installation.NotRunning as problem:
        told = story.Told(problem=str(problem), seconds=teller.seconds)
    except KeyboardInterrupt:
        return 1 if leaves else 0
    return _end(told)


def _end(told: story.Told) -> int:
    """Print the last line; the exit code."""
    print(json.dumps(told.summary(), ensure_ascii=False), flush=True)
    return 1 if told.problem else 0


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
