"""Text on pictures, with the fonts that are there: Pillow's own, or one of the system for what that one lacks."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from PIL import ImageDraw, ImageFont

Font = ImageFont.FreeTypeFont | ImageFont.ImageFont
_FOLDERS = (
    "/usr/share/fonts",
    "/usr/local/share/fonts",
    "/System/Library/Fonts",
    "/Library/Fonts",
    "~/.fonts",
)
_MANY_GLYPHS = (
    "cjk",
    "wqy",
    "pingfang",
    "heiti",
    "hiragino",
    "arialuni",
    "unifont",
    "dejavusans.",
    "notosans-regular",
)
_NO_CHARACTER = "\U0010fffe"  # every font draws its box for "missing" here
_LINES = 2


class Lettering:
    """A text in lines of one size. `drawable` says whether a font has all of its characters."""

    def __init__(self, text: str, size: int, room: int = 0) -> None:
        self.font = _font_for(text, size)
        self.drawable = bool(text) and self.font is not None
        self.lines = _wrapped(text, self.font, room) if self.font else []

    @property
    def width(self) -> int:
        return max((int(self.font.getlength(line)) for line in self.lines), default=0) if self.font else 0

    @classmethod
    def fitted(cls, text: str, room: int, largest: int, smallest: int) -> Lettering:
        """As large as fits into `room` pixels over two lines; at the smallest size it is cut with an ellipsis."""
        for size in range(largest, smallest, -4):
            lettering = cls(text, size, room)
            if len(lettering.lines) <= _LINES and lettering.width <= room:
                return lettering
        return cls(text, smallest, room)._cut(room)

    def draw(self, draw: ImageDraw.ImageDraw, at: tuple[int, int], ink: str, anchor: str) -> None:
        draw.multiline_text(at, "\n".join(self.lines), fill=ink, font=self.font, anchor=anchor, spacing=12)

    def _cut(self, room: int) -> Lettering:
        if self.font is None:
            return self
        kept = [_shortened(line, self.font, room) for line in self.lines[:_LINES]]
        if len(self.lines) > _LINES:
            kept[-1] = _shortened(f"{kept[-1]}…", self.font, room)
        self.lines = kept
        return self


def _wrapped(text: str, font: Font, room: int) -> list[str]:
    lines: list[str] = []
    for word in text.split():
        longer = f"{lines[-1]} {word}" if lines else word
        if lines and (not room or font.getlength(longer) <= room):
            lines[-1] = longer
        else:
            lines.append(word)
    return lines


def _shortened(line: str, font: Font, room: int) -> str:
    if font.getlength(line) <= room:
        return line
    while len(line) > 1 and font.getlength(f"{line}…") > room:
        line = line[:-1]
    return f"{line.rstrip('…')}…"


def _font_for(text: str, size: int) -> Font | None:
    own = ImageFont.load_default(size)
    if _has_all(own, text):
        return own
    fonts = (ImageFont.truetype(path, size) for path in _system_fonts())
    return next((font for font in fonts if _has_all(font, text)), None)


def _has_all(font: Font, text: str) -> bool:
    missing = bytes(font.getmask(_NO_CHARACTER))
    return all(
        bytes(font.getmask(character)) != missing for character in set(text) if not character.isspace()
    )


@cache
def _system_fonts() -> list[str]:
    """Fonts with many characters, by their names; there may be none."""
    files = [
        path
        for folder in map(Path, _FOLDERS)
        if folder.expanduser().is_dir()
        for path in sorted(folder.expanduser().rglob("*"))
        if path.suffix.lower() in (".ttf", ".ttc", ".otf")
    ]
    return [str(path) for name in _MANY_GLYPHS for path in files if name in path.name.lower()]
