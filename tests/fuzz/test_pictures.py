"""Whatever a picture's file holds, it is decoded, or refused by its place; so are projectors."""

from __future__ import annotations

from pathlib import Path

from rkd.backend.pictures.decode import pixels_of
from rkd.errors import InvalidInputError, Reason
from rkd.model import Media
from rkd.pictures.header import PictureError, read_header
from rkd.weights import gguf, projector
from tests.fuzz.frame import Fuzz, Target
from tests.models import tiny_sight
from tests.pictures import plain, png, with_chunks

MOST_PIXELS = 4_000_000
"""Larger ones are refused by the daemon; here, so that a case stays cheap."""
WORDS = (
    *(b"\xff\xd8", b"\xff\xc0", b"\xff\xda", b"\xff\xe1", b"\xff\xd9", b"\xff\xff", b"Exif\0\0"),
    *(b"IHDR", b"IDAT", b"IEND", b"PLTE", b"tRNS", b"zTXt", b"iCCP", b"acTL", b"fdAT", b"eXIf"),
    *(b"RIFF", b"WEBP", b"VP8 ", b"VP8L", b"VP8X", b"ANIM", b"ANMF", b"ALPH", b"GIF89a", b"BM"),
    *(b",", b";", b"!\xf9\x04", b"!\xfe", b"\0\0\0\0", b"\xff\xff\xff\xff", b"\x7f\xff\xff\xff"),
)


def examples() -> tuple[bytes, ...]:
    """Good ones of every format, and one that says it is larger."""
    formats = ("PNG", "JPEG", "WEBP", "GIF", "BMP")
    return (
        *(plain(form, 40, 30) for form in formats),
        *(plain("PNG", 9, 7, mode) for mode in ("1", "P", "LA", "RGBA", "I;16")),
        plain("JPEG", 40, 30, progressive=True),
        plain("WEBP", 40, 30, "RGBA", lossless=True),
        plain("JPEG", 40, 30, exif=b"Exif\0\0II*\0\x08\0\0\0"),
        with_chunks(2000, 2000, (b"IEND", b"")),
        png(3, 3),
    )


def look(data: bytes) -> None:
    """Read the header as the daemon does, and decode as a worker does."""
    header = read_header(data)
    assert header.width >= 1
    assert header.height >= 1
    if header.pixels > MOST_PIXELS:
        return
    seen = pixels_of(Media(data, header.width, header.height, "parts[0]"), 10_000)
    assert seen.mode == "RGB"
    assert seen.width * seen.height <= 20_000


def test_pictures(fuzz: Fuzz) -> None:
    """A picture no larger than wanted, or a typed refusal; never much memory or time."""
    fuzz(
        Target(
            "picture",
            look,
            examples(),
            WORDS,
            (PictureError, InvalidInputError),
            frozenset({Reason.INVALID_FIELD}),
            cost=2,
        )
    )


def test_projectors(fuzz: Fuzz, tmp_path: Path) -> None:
    """Whatever its header says, it is passed or refused as what it is."""
    kinds = ("mlp", "gemma3", "qwen2vl_merger")
    made = tuple(
        tiny_sight.write_projector(tmp_path / kind, kind).read_bytes()[:20_000] for kind in kinds
    )

    def read(data: bytes) -> None:
        whole = data + bytes(200_000)
        header = gguf.parse_header(lambda at, count: whole[at : at + count], len(whole), "x.gguf")
        projector.check(header, "x.gguf", 64)

    fuzz(
        Target(
            "projector",
            read,
            made,
            (b"clip.vision.", b"v.blk.0.attn_q.weight", b"mm.2.weight", b"\0" * 8, b"\xff" * 8),
            (InvalidInputError,),
            frozenset({Reason.WEIGHTS_INVALID}),
            cost=2,
        )
    )
