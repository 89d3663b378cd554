"""What is asked for, whole: whatever was left out has its default here."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from importlib.util import find_spec
from typing import Any

#: Pixels that a side of the result may have.
MOST_SIDE = 4096
FITS = ("inside", "contain", "cover")
CROPS = ("center", "top", "bottom", "left", "right")
#: Content types by format. The names are also the endings of files, but for that of JPEG.
CONTENT_TYPES = {"webp": "image/webp", "jpeg": "image/jpeg", "png": "image/png", "avif": "image/avif"}
#: Counted up when the same recipe has to give another image, so that those made before are made again.
_EDITION = 1


@dataclass(frozen=True, slots=True)
class Recipe:
    """How an image is made of another one.

    `inside` fits it into the box, `contain` does and fills the box up with `background`, `cover` fills the box and
    cuts off what stands out, keeping the side `crop`. Nothing is enlarged unless `upscale` says so. Without
    `background` ("#rrggbb") transparency stays, and is white where the format has none.
    """

    width: int | None = None
    height: int | None = None
    fit: str = "inside"
    format: str = "webp"
    quality: int = 80
    crop: str = "center"
    upscale: bool = False
    background: str = ""

    @classmethod
    def of(cls, preset: Mapping[str, Any]) -> Recipe:
        """The recipe of a preset that was checked."""
        return cls(**preset)

    @property
    def fingerprint(self) -> str:
        """The same for two recipes that give the same image: 64 hexadecimal digits."""
        said = json.dumps([_EDITION, asdict(self)], sort_keys=True)
        return hashlib.sha256(said.encode()).hexdigest()

    @property
    def content_type(self) -> str:
        """The type of the result."""
        return CONTENT_TYPES[self.format]

    @property
    def ending(self) -> str:
        """How names of such files end."""
        return "jpg" if self.format == "jpeg" else self.format

    @property
    def opaque_ground(self) -> str:
        """The colour under the image, '' where what is transparent stays so."""
        return self.background or ("#ffffff" if self.format == "jpeg" else "")


def can_write(wanted: str) -> bool:
    """True when this installation writes the format. Looks for a library, and loads none."""
    return wanted != "avif" or find_spec("PIL._avif") is not None
