"""Text on a photo, by models that are part of the installed package. Nothing is fetched and nothing is sent."""

from __future__ import annotations

import os
from collections.abc import Sequence
from functools import cache

# onnxruntime looks at this when it is imported.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"

import cv2
import numpy as np
from PIL import Image
from rapidocr import RapidOCR

from menugen.reading.boxes import Box
from menugen.reading.script import one_script

THREADS = 2
_SAMPLES = 4  # the longest pieces of text tell which way up the photo is
_TALL = 1.5  # times as high as wide: text that runs from above to below
_LEGIBLE = 0.7  # of the score: below this, text is not read as it stands
_SURELY_BETTER = 0.1  # of the score: how much better another way up must be read to be believed

Corners = np.ndarray


def boxes_upright(image: Image.Image) -> tuple[list[Box], int]:
    """The pieces of text on a photo, and by how many degrees, clockwise, it was turned so that they are upright."""
    pixels = cv2.cvtColor(np.asarray(image), cv2.COLOR_RGB2BGR)
    found = _detected(pixels)
    turned = _degrees_to_turn(pixels, found)
    if turned:
        pixels = np.ascontiguousarray(np.rot90(pixels, -turned // 90))
        found = _detected(pixels)
    texts = [_recognized(_cut_out(pixels, corners)) for corners in found]
    return one_script(
        [_box(corners, *text) for corners, text in zip(found, texts, strict=True) if text[0]]
    ), turned


def _box(corners: Corners, text: str, score: float) -> Box:
    one, two, three, four = ((float(x), float(y)) for x, y in corners)
    return Box(text, score, (one, two, three, four))


@cache
def _engine() -> RapidOCR:
    return RapidOCR(
        params={
            "Global.log_level": "error",
            "EngineConfig.onnxruntime.intra_op_num_threads": THREADS,
            "EngineConfig.onnxruntime.inter_op_num_threads": 1,
            # Prices are short: padded to the usual 320 pixels, they would take most of the time.
            "Rec.rec_img_shape": [3, 48, 160],
            "Rec.rec_batch_num": 1,
        }
    )


def _detected(pixels: np.ndarray) -> list[Corners]:
    """Where text is: four corners each, from the top left one clockwise."""
    found = _engine()(pixels, use_det=True, use_cls=False, use_rec=False)
    return [] if found.boxes is None else list(found.boxes)


def _recognized(line: np.ndarray) -> tuple[str, float]:
    read = _engine()(line, use_det=False, use_cls=False, use_rec=True)
    return (read.txts[0].strip(), float(read.scores[0])) if read.txts else ("", 0.0)


def _cut_out(pixels: np.ndarray, corners: Corners) -> np.ndarray:
    """The text between four corners, straightened; what is tall is laid down, with its top to the left."""
    width = max(1, round(max(_length(corners, 0, 1), _length(corners, 3, 2))))
    height = max(1, round(max(_length(corners, 0, 3), _length(corners, 1, 2))))
    target = np.array([[0, 0], [width, 0], [width, height], [0, height]], dtype=np.float32)
    matrix = cv2.getPerspectiveTransform(np.asarray(corners, dtype=np.float32), target)
    line = cv2.warpPerspective(
        pixels, matrix, (width, height), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE
    )
    return np.ascontiguousarray(np.rot90(line)) if height >= _TALL * width else line


def _length(corners: Corners, one: int, other: int) -> float:
    return float(np.linalg.norm(corners[one] - corners[other]))


def _degrees_to_turn(pixels: np.ndarray, found: Sequence[Corners]) -> int:
    """0, 90, 180 or 270, clockwise. The longest pieces of text are read both ways along their direction."""
    longest = sorted(found, key=lambda corners: max(_length(corners, 0, 1), _length(corners, 0, 3)))[
        -_SAMPLES:
    ]
    tall = [corners for corners in longest if _length(corners, 0, 3) >= _TALL * _length(corners, 0, 1)]
    sideways = len(tall) > len(longest) / 2
    lines = [_cut_out(pixels, corners) for corners in (tall if sideways else longest)]
    if not lines:
        return 0
    as_is = _legibility(lines)
    turned = _legibility([np.ascontiguousarray(np.rot90(line, 2)) for line in lines])
    if sideways:
        return _sideways(as_is, turned)
    return 180 if turned > as_is + _SURELY_BETTER else 0


def _sideways(as_is: float, turned: float) -> int:
    """By the legibility of tall text that was laid down, which turned it to the left already."""
    if max(as_is, turned) < _LEGIBLE:
        return 0  # Chinese from above to below, on a photo that is upright
    return 270 if as_is >= turned else 90


def _legibility(lines: Sequence[np.ndarray]) -> float:
    return sum(score for _, score in map(_recognized, lines)) / len(lines)
