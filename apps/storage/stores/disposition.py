"""What a browser may do with a download: Content-Disposition (RFC 6266) and Content-Type, the same from every store.

Files come from strangers. One is shown in the browser only where its type can hold no script; everything else is
saved, whatever was asked.
"""

from __future__ import annotations

import re
import unicodedata
from urllib.parse import quote

from apps.storage.stores.base import Disposition

_SHOWN = frozenset(
    {
        "image/png", "image/jpeg", "image/gif", "image/webp", "image/avif", "text/plain",
        "audio/mpeg", "audio/mp4", "audio/ogg", "audio/wav", "audio/webm", "video/mp4", "video/ogg", "video/webm",
    }
)  # fmt: skip
_TYPE = re.compile(r"[a-z0-9][a-z0-9!#$&^_.+-]{0,63}/[a-z0-9][a-z0-9!#$&^_.+-]{0,63}")
_UNKNOWN = "application/octet-stream"
#: What Windows, shells or header parsers take for something else than a part of a name.
_UNSAFE = re.compile(r'[<>:"/\\|?*%;]')
#: Controls, surrogates, and marks that turn the direction of writing, by which `gpj.exe` reads as `exe.jpg`.
_UNSEEN = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
MAX_NAME = 200


def content_disposition(shown: Disposition) -> str:
    """The header's value: one line of ASCII whatever the name holds, the full name in `filename*` where it differs."""
    name = safe_name(shown.name)
    plain = _ascii(name)
    how = "inline" if shown.inline and content_type(shown) in _SHOWN else "attachment"
    value = f'{how}; filename="{plain}"'
    return value if plain == name else f"{value}; filename*=UTF-8''{quote(name, safe='')}"


def content_type(shown: Disposition) -> str:
    """The type as a header says it; what is no type is bytes."""
    media = shown.content_type.strip().lower()
    return media if _TYPE.fullmatch(media) else _UNKNOWN


def safe_name(name: str) -> str:
    """`name` as one name of a file: without folders, controls and turns of direction, at most 200 characters."""
    seen = "".join(char for char in name if unicodedata.category(char) not in _UNSEEN)
    plain = _UNSAFE.sub("_", unicodedata.normalize("NFC", seen)).strip(" .")
    return _shortened(plain) or "download"


def _shortened(name: str) -> str:
    """Cut in the middle, so that the ending stays."""
    if len(name) <= MAX_NAME:
        return name
    stem, dot, ending = name.rpartition(".")
    if not dot or len(ending) > 20:
        return name[:MAX_NAME].rstrip(" .")
    return stem[: MAX_NAME - len(ending) - 1] + dot + ending


def _ascii(name: str) -> str:
    spelled = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()
    # Some compatibility forms are spelled with a slash or quote.
    return _UNSAFE.sub("_", spelled).strip(" .") or "download"
