"""`up` with the stand-in for manage.py: DATA_DIR PORT [HOST]."""

import json
import logging
import sys
from pathlib import Path
from typing import Any

from apps.tenancy.startup import installation


def show(facts: dict[str, Any]) -> None:
    print(json.dumps(facts), flush=True)


def main() -> int:
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    host = sys.argv[3] if len(sys.argv) > 3 else "127.0.0.1"
    manage = Path(__file__).with_name("manage.py")
    wishes = installation.Wishes(Path(sys.argv[1]), host, int(sys.argv[2]), 1, "mule", manage)
    code, sentence = installation.outcome(wishes, show)
    print(sentence, file=sys.stderr)
    return code


if __name__ == "__main__":
    sys.exit(main())
