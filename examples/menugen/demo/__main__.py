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
    """Tell the story. With DEMO_EXIT=1 its end is one line of JSON; without, everything is served until Ctrl-C."""
    signal.signal(signal.SIGTERM, _interrupt)
    here = Path(os.environ.get("FROM", ""))
    data = (here / os.environ.get("DATA_DIR", ".packmule")).resolve()
    photo = (here / (os.environ.get("PHOTO") or _SAMPLE)).resolve()
    if not photo.is_file():
        print(f"There is no photo {photo}. Name one: make demo PHOTO=path.jpg", file=sys.stderr)
        return 1
    os.environ["MENUGEN_HOME"] = str(data / "menugen")
    leaves = os.environ.get("DEMO_EXIT") == "1"
    teller = Teller()
    try:
        with installation.running(data) as packmule, started() as processes:
            told = story.tell(teller, packmule, processes, data, photo)
            if not leaves:
                story.show(packmule, told)
                signal.pause()
    except KeyboardInterrupt:
        return 1 if leaves else 0
    print(json.dumps(told.summary(), ensure_ascii=False), flush=True)
    return 1 if told.problem else 0


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
