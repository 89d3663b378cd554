"""Stands beside a child where the kernel cannot tell it of its parent's death: `watcher.py PARENT CHILD
SIGNAL`.

It polls twice a second, ends with the child, and sends the child SIGNAL once the parent is gone.
"""

import os
import sys
import time


def exists(pid: int) -> bool:
    """Whether there is a process `pid`, whoever owns it."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def main(parent: int, child: int, number: int) -> None:
    """Wait until the parent or the child is gone; pass `number` to a child that is left alone."""
    # Started by `parent` itself: another parent id means that it is gone, even when its number is used again.
    while os.getppid() == parent and exists(child):
        time.sleep(0.5)
    if exists(child):
        os.kill(child, number)


if __name__ == "__main__":
    main(*(int(word) for word in sys.argv[1:4]))
