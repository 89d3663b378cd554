"""What bytes are, by their first few hundred: a table of signatures, and what a browser would run.

After the WHATWG MIME Sniffing Standard (section 6 and 7.1), with office documents and archives added. The rule it is
there for: nothing that a browser runs, and no picture that is none, is kept under another name.
"""

from __future__ import annotations

import codecs
import re

#: How much of a file is looked at.
LOOKED_AT = 2048
UNKNOWN = "application/octet-stream"
TEXT = "text/plain"

_SIGNATURES: tuple[tuple[int, bytes, str], ...] = (
    (0, b"\x89PNG\r\n\x1a\n", "image/png"),
    (0, b"\xff\xd8\xff", "image/jpeg"),
    (0, b"GIF87a", "image/gif"),
    (0, b"GIF89a", "image/gif"),
    (8, b"WEBPVP", "image/webp"),
    (0, b"II*\x00", "image/tiff"),
    (0, b"MM\x00*", "image/tiff"),
    (0, b"BM", "image/bmp"),
    (0, b"\x00\x00\x01\x00", "image/x-icon"),
    (0, b"8BPS", "image/vnd.adobe.photoshop"),
    (0, b"%PDF-", "application/pdf"),
    (0, b"%!PS-Adobe-", "application/postscript"),
    (0, b"PK\x03\x04", "application/zip"),
    (0, b"PK\x05\x06", "application/zip"),
    (0, b"\x1f\x8b\x08", "application/gzip"),
    (0, b"BZh", "application/x-bzip2"),
    (0, b"\xfd7zXZ\x00", "application/x-xz"),
    (0, b"\x28\xb5\x2f\xfd", "application/zstd"),
    (0, b"7z\xbc\xaf\x27\x1c", "application/x-7z-compressed"),
    (0, b"Rar!\x1a\x07", "application/vnd.rar"),
    (257, b"ustar", "application/x-tar"),
    (0, b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "application/x-ole-storage"),
    (0, b"\x7fELF", "application/x-executable"),
    (0, b"MZ", "application/vnd.microsoft.portable-executable"),
    (0, b"\x00asm", "application/wasm"),
    (0, b"SQLite format 3\x00", "application/vnd.sqlite3"),
    (0, b"ID3", "audio/mpeg"),
    (0, b"fLaC", "audio/flac"),
    (0, b"OggS\x00", "application/ogg"),
    (8, b"WAVE", "audio/wav"),
    (8, b"AVI ", "video/x-msvideo"),
    (0, b"\x1a\x45\xdf\xa3", "video/webm"),
    (0, b"wOFF", "font/woff"),
    (0, b"wOF2", "font/woff2"),
    (0, b"OTTO", "font/otf"),
    (0, b"\x00\x01\x00\x00\x00", "font/ttf"),
)
#: Signatures that stand behind RIFF and a length.
_IN_RIFF = frozenset({"image/webp", "audio/wav", "video/x-msvideo"})
#: Too short to be a proof where text follows: "BM" and "MZ" begin words too.
_SHORT = frozenset({"image/bmp", "application/vnd.microsoft.portable-executable", "application/x-bzip2"})
_BRANDS = {
    b"avif": "image/avif",
    b"avis": "image/avif",
    b"heic": "image/heic",
    b"heix": "image/heic",
    b"mif1": "image/heif",
    b"M4A ": "audio/mp4",
    b"qt  ": "video/quicktime",
}
#: Other names of a type, and what comes in its container.
_SAME = {
    "image/jpeg": r"image/(jpg|pjpeg)",
    "image/x-icon": r"image/vnd\.microsoft\.icon",
    "image/bmp": r"image/x-ms-bmp",
    "image/heif": r"image/hei[cf](-sequence)?",
    "image/heic": r"image/hei[cf](-sequence)?",
    "application/zip": r"application/(x-zip-compressed|java-archive|epub\+zip|x-xpinstall|vnd\..+|.+\+zip)",
    "application/gzip": r"application/(x-gzip|x-gtar|x-tgz|x-compressed-tar)",
    "application/vnd.rar": r"application/x-rar(-compressed)?",
    "application/x-ole-storage": r"application/(msword|vnd\.ms-.+|vnd\.visio|x-msi)",
    "application/x-executable": r"application/(x-elf|x-sharedlib|x-pie-executable|x-object)",
    "application/vnd.microsoft.portable-executable": r"application/(x-msdownload|x-dosexec|x-msdos-program)",
    "application/vnd.sqlite3": r"application/x-sqlite3",
    "application/ogg": r"(audio|video)/(ogg|opus)",
    "audio/mpeg": r"audio/mp3",
    "audio/wav": r"audio/(x-wav|wave|vnd\.wave)",
    "audio/flac": r"audio/x-flac",
    "video/mp4": r"(audio|video)/(mp4|x-m4a|x-m4v|3gpp2?|quicktime)|application/mp4",
    "audio/mp4": r"(audio|video)/(mp4|x-m4a|m4a)",
    "video/quicktime": r"video/mp4",
    "video/webm": r"(audio|video)/(webm|x-matroska)",
    "application/postscript": r"application/(illustrator|eps)",
    "text/html": r"application/xhtml\+xml",
    "image/svg+xml": r"(application|text)/xml",
    "application/xml": r"text/xml|application/.+\+xml|image/svg\+xml|application/xhtml\+xml",
    "text/x-script": r"text/(javascript|x-.+)|application/(javascript|x-.+)",
}
#: Comments before a document begins. Possessive, because what was taken is never given back: whoever uploads chooses
#: these bytes, and trying every way to divide them would take days.
_COMMENTS = rb"(?:<!--(?:(?!-->).)*+-->\s*+)*+"
_HTML = re.compile(
    rb"\s*+"
    + _COMMENTS
    + rb"<(!doctype\s+html|html|head|body|script|iframe|style|title|meta|link|base|object|embed|form"
    rb"|div|span|table|h1|p|a|img|b|br|font)[\s>/]",
    re.IGNORECASE | re.DOTALL,
)
_SVG = re.compile(
    rb"\s*+(?:<\?xml(?:(?!\?>).)*+\?>\s*+)?+"
    + _COMMENTS
    + rb"(?:<!doctype\s+svg[^>]*+>\s*+)?+<(?:[a-z]{1,40}:)?svg[\s>/]",
    re.IGNORECASE | re.DOTALL,
)
_HIDDEN_MARKUP = re.compile(rb"<(script|iframe|svg|html|\?php)[\s>/]", re.IGNORECASE)
#: Text that is read by programs: it may be said to be any of these.
_TEXTUAL = re.compile(
    r"text/.+|application/(json|javascript|ecmascript|xml|x-ndjson|jsonl|yaml|x-yaml|toml|sql|rtf|x-sh|x-httpd-php"
    r"|graphql|x-www-form-urlencoded|x-subrip|pgp-.+|x-pem-file|.+\+(json|xml|yaml))|message/.+|model/(obj|gltf\+json)"
)
#: What a browser runs, or reads as a document that may hold scripts.
_RUN = re.compile(
    r"text/(html|xml|javascript|css)|image/svg\+xml|application/(xml|xhtml\+xml|javascript|.+\+xml)"
)
_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
#: Types of which every file begins with a signature above, so that one without it is none.
_SIGNED = frozenset(kind for _, _, kind in _SIGNATURES) | frozenset(_BRANDS.values()) | {"video/mp4"}


def sniff(head: bytes) -> str:
    """The type of what begins with `head` (the first LOOKED_AT bytes), TEXT or UNKNOWN where nothing says more."""
    head = head[:LOOKED_AT]
    found = _signed(head) or _container(head)
    text = _as_text(head)
    if found and not (found in _SHORT and text is not None):
        return found
    return UNKNOWN if text is None else _kind_of_text(text)


def settled_type(said: str, head: bytes) -> str | None:
    """The type under which content that begins with `head` may be kept when it was announced as `said`.

    None when the two do not go together. What was announced as octets is kept as what it is.
    """
    found = sniff(head)
    if said in (UNKNOWN, found) or not head:
        return found if head or said == UNKNOWN else _of_nothing(said)
    if re.fullmatch(_SAME.get(found, "$^"), said):
        return said
    if found == UNKNOWN:
        return None if said in _SIGNED or said.startswith("image/") or _TEXTUAL.fullmatch(said) else said
    return said if _is_text(found) and _fits_text(said, found) else None


def is_run_by_browsers(content_type: str) -> bool:
    """True for what must never be shown inside a page of ours: it may hold scripts."""
    return bool(_RUN.fullmatch(content_type))


def _of_nothing(said: str) -> str | None:
    return said if _TEXTUAL.fullmatch(said) else None


def _is_text(found: str) -> bool:
    return found == TEXT or bool(_RUN.fullmatch(found)) or found == "text/x-script"


def _fits_text(said: str, found: str) -> bool:
    """Text may be called any text; what a browser would run may be called what it does not run, such as Markdown."""
    if found == TEXT:
        return bool(_TEXTUAL.fullmatch(said))
    return said.startswith("text/") and not is_run_by_browsers(said)


def _signed(head: bytes) -> str | None:
    for place, signature, kind in _SIGNATURES:
        if head[place : place + len(signature)] == signature and (
            kind not in _IN_RIFF or head[:4] == b"RIFF"
        ):
            return kind
    is_audio = len(head) > 3 and head[0] == 0xFF and head[1] & 0xE6 in (0xE2, 0xE4) and head[1] & 0x06
    return "audio/mpeg" if is_audio else None


def _container(head: bytes) -> str | None:
    """ISO base media files say their brand behind `ftyp`."""
    return _BRANDS.get(head[8:12], "video/mp4") if head[4:8] == b"ftyp" else None


def _as_text(head: bytes) -> bytes | None:
    """The text in `head` as UTF-8 without its mark; None when it is no text."""
    for mark, encoding in _MARKS:
        if head.startswith(mark):
            return head[len(mark) :].decode(encoding, "ignore").encode()
    printable = not re.search(rb"[\x00-\x08\x0e-\x1a\x1c-\x1f]", head)
    return head if head and printable else None


def _kind_of_text(text: bytes) -> str:
    if _SVG.match(text):
        return "image/svg+xml"
    if _HTML.match(text):
        return "text/html"
    if text.lstrip()[:5].lower() == b"<?xml":
        return "text/html" if _HIDDEN_MARKUP.search(text) else "application/xml"
    if text.startswith(b"#!") or text.lstrip()[:5].lower() == b"<?php":
        return "text/x-script"
    return "text/html" if _HIDDEN_MARKUP.search(text[:512]) and text.lstrip()[:1] == b"<" else TEXT
