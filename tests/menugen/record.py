"""Write sample-boxes.json anew: what the OCR finds on MenuGen's own photo. For the example's Python, not for pytest.

cd examples/menugen && PYTHONPATH=. .venv/bin/python ../../tests/menugen/record.py
"""

from __future__ import annotations

import json
from pathlib import Path

from menugen.reading.ocr import boxes_upright
from menugen.reading.photo import opened

HERE = Path(__file__).parent
PHOTO = HERE.parents[1] / "examples" / "menugen" / "photos" / "sample-menu.jpg"

if __name__ == "__main__":
    boxes, _ = boxes_upright(opened(PHOTO.read_bytes()))
    lines = [
        json.dumps(
            [box.text, round(box.score, 2), [[round(x), round(y)] for x, y in box.corners]],
            ensure_ascii=False,
        )
        for box in boxes
    ]
    (HERE / "sample-boxes.json").write_text("[\n" + ",\n".join(lines) + "\n]\n")
