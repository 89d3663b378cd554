"""`python -m apps.storage.images SOURCE TARGET RECIPE`: make one image, within limits that the system holds.

Prints one line of JSON: `{"width": …, "height": …}`, or `{"refused": …, "said": …}`. Ended by a signal means that the
image took too much.
"""

from __future__ import annotations

import contextlib
import json
import resource
import sys
from pathlib import Path
from typing import Any

from apps.storage.images.recipes import Recipe
from apps.storage.images.refusals import Refused, TooCostly

#: Seconds of one processor.
SECONDS = 20
MEMORY = 1024**3
_LIMITS = (
    (resource.RLIMIT_CPU, SECONDS),
    (resource.RLIMIT_AS, MEMORY),
    (resource.RLIMIT_FSIZE, 256 * 1024**2),
    # The image, the result, and libraries while they are loaded.
    (resource.RLIMIT_NOFILE, 32),
    (resource.RLIMIT_CORE, 0),
)


def main(source: str, target: str, recipe: str) -> dict[str, Any]:
    """Make the image; the answer is what is printed."""
    _limit()
    try:
        return _made(Path(source), Path(target), Recipe.of(json.loads(recipe)))
    except Refused as refused:
        return {"refused": refused.code, "said": refused.said}
    except MemoryError:
        return {"refused": TooCostly.code, "said": f"It takes more than {MEMORY // 1024**2} MB of memory."}


def _made(source: Path, target: Path, recipe: Recipe) -> dict[str, Any]:
    # Only now, within the limits.
    from apps.storage.images.drawing import draw
    from apps.storage.images.opening import open_image
    from apps.storage.images.saving import save

    with open_image(source) as image:
        drawn = draw(image, recipe)
        save(drawn, target, recipe)
    return {"width": drawn.width, "height": drawn.height}


def _limit() -> None:
    for limit, most in _LIMITS:
        allowed = resource.getrlimit(limit)[1]
        # At the first number it is told, at the second it is killed: like that, one can tell why it ended.
        last = most + 1 if allowed == resource.RLIM_INFINITY else min(most + 1, allowed)
        # A system may not know one of them; the others hold.
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(limit, (min(most, last), last))


if __name__ == "__main__":
    sys.stdout.write(json.dumps(main(*sys.argv[1:])))
