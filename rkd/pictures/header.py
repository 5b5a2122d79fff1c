"""
What picture a file is and how large it is, by its first bytes; nothing is decoded.

The daemon asks before a request waits for anything, so that a picture made to take gigabytes costs
its refusal and nothing else; a worker decodes, and holds the decoder to what was read here. Every
reader takes a bounded number of steps, however long the file.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass

MAX_STEPS = 65_536
"""Segments or blocks before the one that says the size; a GIF with XMP has some thousand."""
MAX_SCANS = 256
"""Of a JPEG, thumbnails included: a progressive one has some ten, and each goes over all pixels, so
that a file of twelve megabytes could be decoded for hours."""

_WHAT = "no picture this daemon reads: JPEG, PNG, WebP, GIF or BMP"
_TOO_MANY = "has more in front of its size than a picture has"
_CUT = "is cut short: it ends before it says its size"


class PictureError(ValueError):
    """Why a file cannot be taken as a picture, as the end of a sentence about it."""


@dataclass(frozen=True, slots=True)
class PictureHeader:
    """
    What the beginning of a picture says.

    Args:
        mime_type: `image/jpeg`, `image/png`, `image/webp`, `image/gif` or `image/bmp`.
        width, height: pixels, at least 1 each.
    """

    mime_type: str
    width: int
    height: int

    @property
    def pixels(self) -> int:
        """How many there are."""
        return self.width * self.height


def read_header(data: bytes) -> PictureHeader:
    """
    Look at the picture *data* holds.

    Raises:
        PictureError: it is none, or does not say its size.
    """
    for mime_type, begins, size in _READERS:
        if begins(data):
            try:
                width, height = size(data)
            except (IndexError, struct.error) as error:
                raise PictureError(_CUT) from error
            if width < 1 or height < 1:
                raise PictureError(f"says that it has {width} x {height} pixels")
            return PictureHeader(mime_type, width, height)
    raise PictureError(_other(data))


def _png(data: bytes) -> tuple[int, int]:
    # Source: PNG (W3C 2025), 11.2.1: IHDR is the first chunk and has 13 bytes.
    length, kind, width, height = struct.unpack_from(">I4sII", data, 8)
    if (length, kind) != (13, b"IHDR"):
        raise PictureError("is a PNG that does not begin with its header")
    return width, height


_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
"""SOF0 to SOF15: the three between are tables and an extension."""
_ALONE = frozenset({0x01, *range(0xD0, 0xD8)})
"""TEM and RST0 to RST7 have no length."""
_FILL, _SCAN, _END = 0xFF, 0xDA, 0xD9


def _jpeg(data: bytes) -> tuple[int, int]:
    # Source: ITU-T T.81, B.1.1 and B.2.2.
    if data.count(b"\xff\xda") > MAX_SCANS:
        raise PictureError(
            f"is a JPEG of more than {MAX_SCANS} scans, each as long to decode as it"
        )
    at = 2
    for _ in range(MAX_STEPS):
        if data[at] != _FILL:
            raise PictureError("is a JPEG with something between its segments")
        marker = data[at + 1]
        if marker == _FILL:
            at += 1
        elif marker in _ALONE:
            at += 2
        elif marker in {_SCAN, _END}:
            raise PictureError("is a JPEG that does not say its size before it begins")
        else:
            (length,) = struct.unpack_from(">H", data, at + 2)
            if marker in _FRAMES:
                height, width = struct.unpack_from(">HH", data, at + 5)
                return width, height
            at += 2 + length
    raise PictureError(_TOO_MANY)


def _gif(data: bytes) -> tuple[int, int]:
    """Return the screen, and as much more as the first frame sticks out of it: decoders do."""
    # Source: GIF89a, 18 to 24.
    width, height, packed = struct.unpack_from("<HHB", data, 6)
    at = 13 + _table_bytes(packed)
    for _ in range(MAX_STEPS):
        introducer = data[at]
        if introducer == ord(","):
            left, top, wide, high = struct.unpack_from("<HHHH", data, at + 1)
            if not (wide and high):
                raise PictureError("is a GIF whose first frame is empty")
            return max(width, left + wide), max(height, top + high)
        if introducer != ord("!"):
            raise PictureError("is a GIF without a frame")
        at = _behind_blocks(data, at + 2)
    raise PictureError(_TOO_MANY)


def _table_bytes(packed: int) -> int:
    return 3 << ((packed & 7) + 1) if packed & 0x80 else 0


def _behind_blocks(data: bytes, at: int) -> int:
    for _ in range(MAX_STEPS):
        if not data[at]:
            return at + 1
        at += 1 + data[at]
    raise PictureError(_TOO_MANY)


def _webp(data: bytes) -> tuple[int, int]:
    # Source: RFC 9649, 2.5 to 2.7; RFC 6386, 9.1 for VP8.
    kind = data[12:16]
    if kind == b"VP8X":
        width = int.from_bytes(_whole(data[24:27], 3), "little")
        height = int.from_bytes(_whole(data[27:30], 3), "little")
        return width + 1, height + 1
    if kind == b"VP8L":
        signature, bits = struct.unpack_from("<BI", data, 20)
        if signature != 0x2F:  # noqa: PLR2004 - the signature
            raise PictureError("is a WebP whose picture does not begin as one")
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    if kind == b"VP8 ":
        start, width, height = struct.unpack_from("<3sHH", data, 23)
        if start != b"\x9d\x01\x2a" or data[20] & 1:
            raise PictureError("is a WebP whose picture does not begin as one")
        return width & 0x3FFF, height & 0x3FFF
    raise PictureError("is a WebP without a picture")


def _whole(piece: bytes, length: int) -> bytes:
    if len(piece) < length:
        raise IndexError(length)
    return piece


_CORE_HEADER = 12


def _bmp(data: bytes) -> tuple[int, int]:
    # Source: BITMAPCOREHEADER and BITMAPINFOHEADER of wingdi.h; a negative height is top-down.
    (header_bytes,) = struct.unpack_from("<I", data, 14)
    if header_bytes == _CORE_HEADER:
        return struct.unpack_from("<HH", data, 18)
    width, height = struct.unpack_from("<ii", data, 18)
    return width, abs(height)


_BMP_HEADERS = frozenset({12, 40, 52, 56, 64, 108, 124})


def _is_bmp(data: bytes) -> bool:
    """Tell a BMP from a text that begins with BM."""
    return data[:2] == b"BM" and int.from_bytes(data[14:18], "little") in _BMP_HEADERS


_Size = Callable[[bytes], tuple[int, int]]

_READERS: tuple[tuple[str, Callable[[bytes], bool], _Size], ...] = (
    ("image/png", lambda data: data.startswith(b"\x89PNG\r\n\x1a\n"), _png),
    ("image/jpeg", lambda data: data.startswith(b"\xff\xd8\xff"), _jpeg),
    ("image/gif", lambda data: data.startswith((b"GIF87a", b"GIF89a")), _gif),
    ("image/webp", lambda data: data[:4] == b"RIFF" and data[8:12] == b"WEBP", _webp),
    ("image/bmp", _is_bmp, _bmp),
)

_BEGINNINGS = (
    ((b"II*\0", b"MM\0*"), "a TIFF"),
    ((b"\0\0\1\0",), "an icon"),
    ((b"%PDF-",), "a PDF"),
    ((b"<svg", b"<?xml"), "an SVG or other XML"),
    ((b"ID3", b"fLaC", b"OggS", b"\xff\xfb", b"\xff\xf3"), "sound"),
    ((b"\x1a\x45\xdf\xa3", b"\0\0\1\xba", b"\0\0\1\xb3"), "a video"),
)
"""What people send in a picture's place, by how it begins."""


def _other(data: bytes) -> str:
    """Say what *data* is instead of a picture we read."""
    if not data:
        return "is empty"
    first = data[:32].lstrip(b"\xef\xbb\xbf \t\r\n") or data[:1]
    kind = next((name for starts, name in _BEGINNINGS if first.startswith(starts)), "")
    if data[4:8] == b"ftyp":
        still = data[8:12] in {b"avif", b"heic", b"heix", b"mif1"}
        kind = "an AVIF or HEIC picture" if still else "a video"
    if data[:4] == b"RIFF":
        kind = "sound" if data[8:12] == b"WAVE" else "a video"
    return f"is {kind}, and {_WHAT}" if kind else f"is {_WHAT}"
