"""Small pictures for tests: written by hand where a header has to lie, else by Pillow."""

from __future__ import annotations

import io
import struct
import zlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from PIL import Image

RED, BLUE = (255, 0, 0), (0, 0, 255)


def png(width: int = 56, height: int = 56, colour: tuple[int, int, int] = RED) -> bytes:
    """A picture of one colour."""
    row = b"\0" + bytes(colour) * width
    packer = zlib.compressobj()
    packed = b"".join(packer.compress(row) for _ in range(height)) + packer.flush()
    return with_chunks(width, height, (b"IDAT", packed), (b"IEND", b""))


def with_chunks(width: int, height: int, *chunks: tuple[bytes, bytes]) -> bytes:
    """A PNG of eight bits RGB that says it has that size, with *chunks* behind its header."""
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    pieces = [_chunk(kind, data) for kind, data in ((b"IHDR", header), *chunks)]
    return b"\x89PNG\r\n\x1a\n" + b"".join(pieces)


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def saved(picture: Image.Image, form: str, **how: Any) -> bytes:
    """*picture* as a file of *form*."""
    file = io.BytesIO()
    picture.save(file, form, **how)
    return file.getvalue()


def plain(form: str, width: int = 60, height: int = 40, mode: str = "RGB", **how: Any) -> bytes:
    """A black picture as a file of *form*."""
    from PIL import Image  # noqa: PLC0415 - tests are collected without the daemon's extra too

    return saved(Image.new(mode, (width, height)), form, **how)
