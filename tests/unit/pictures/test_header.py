"""What a picture is and how large, held against Pillow; and what is none."""

from __future__ import annotations

import io
import struct
from collections.abc import Callable
from typing import Any

import pytest

from rkd.pictures.header import MAX_SCANS, MAX_STEPS, PictureError, PictureHeader, read_header
from tests.pictures import plain, png


def other() -> Any:
    """A second frame."""
    from PIL import Image  # noqa: PLC0415 - as in tests.pictures

    return Image.new("RGB", (61, 43), (9, 9, 9))


GOOD: dict[str, Callable[[], bytes]] = {
    "png": lambda: plain("PNG", 61, 43),
    "png palette": lambda: plain("PNG", 5, 7, "P"),
    "png one bit": lambda: plain("PNG", 300, 1, "1"),
    "png 16 bits": lambda: plain("PNG", 3, 900, "I;16"),
    "jpeg": lambda: plain("JPEG", 61, 43),
    "jpeg progressive": lambda: plain("JPEG", 640, 480, progressive=True),
    "jpeg cmyk": lambda: plain("JPEG", 17, 3000, "CMYK"),
    "jpeg with exif": lambda: plain("JPEG", 61, 43, exif=b"Exif\0\0" + bytes(3000)),
    "jpeg with comment": lambda: plain("JPEG", 61, 43, comment=b"\xff\xc0" * 900),
    "webp lossy": lambda: plain("WEBP", 61, 43),
    "webp lossless": lambda: plain("WEBP", 16383, 2, lossless=True),
    "webp alpha": lambda: plain("WEBP", 61, 43, "RGBA"),
    "webp moving": lambda: plain("WEBP", 61, 43, save_all=True, append_images=[other()]),
    "gif": lambda: plain("GIF", 61, 43),
    "gif with comment": lambda: plain("GIF", 61, 43, comment=b"x" * 1000),
    "gif moving": lambda: plain("GIF", 61, 43, save_all=True, append_images=[other()]),
    "bmp": lambda: plain("BMP", 61, 43),
    "bmp grey": lambda: plain("BMP", 1, 4000, "L"),
    "bmp 32 bits": lambda: plain("BMP", 5, 5, "RGBA"),
}


@pytest.mark.parametrize("name", GOOD)
def test_kind_and_size_are_those_of_pillow(name: str) -> None:
    """Whatever writes the file, and whatever stands before its size."""
    from PIL import Image  # noqa: PLC0415 - as in tests.pictures

    data = GOOD[name]()
    with Image.open(io.BytesIO(data)) as picture:
        seen = (Image.MIME[picture.format or ""], *picture.size)

    assert read_header(data) == PictureHeader(*seen)


def test_a_bmp_may_stand_on_its_head_or_be_old() -> None:
    """A negative height is top-down; OS/2's header has two bytes a side."""
    info = b"BM" + bytes(12) + struct.pack("<Iii", 40, 7, -9)
    core = b"BM" + bytes(12) + struct.pack("<IHH", 12, 7, 9)

    assert read_header(info) == read_header(core) == PictureHeader("image/bmp", 7, 9)


def test_a_gifs_first_frame_may_stick_out() -> None:
    """Decoders make the picture as large as that: so much is counted."""
    frame = b"," + struct.pack("<HHHH", 10, 0, 65_000, 60_000)
    gif = b"GIF89a" + struct.pack("<HHBBB", 4, 4, 0, 0, 0) + frame

    assert read_header(gif) == PictureHeader("image/gif", 65_010, 60_000)


BAD: dict[str, tuple[Callable[[], bytes], str]] = {
    "nothing": (lambda: b"", "is empty"),
    "text": (lambda: b"BM is where I live, and it is long enough", "no picture"),
    "a page": (lambda: b"<html>", "no picture"),
    "drawn": (lambda: b'<?xml version="1.0"?><svg/>', "an SVG"),
    "paper": (lambda: b"%PDF-1.7", "a PDF"),
    "tiff": (lambda: plain("TIFF"), "a TIFF"),
    "icon": (lambda: plain("ICO", 16, 16), "an icon"),
    "sound": (lambda: b"RIFF\x24\0\0\0WAVEfmt ", "sound"),
    "song": (lambda: b"ID3\x04", "sound"),
    "film": (lambda: b"\0\0\0\x20ftypisom\0\0", "a video"),
    "avif": (lambda: b"\0\0\0\x20ftypavif\0\0", "AVIF or HEIC"),
    "png cut": (lambda: png()[:20], "cut short"),
    "png without header": (lambda: png()[:8] + b"\0\0\0\0IEND" + bytes(12), "does not begin"),
    "png of nothing": (lambda: png()[:16] + bytes(8) + png()[24:], "0 x 0"),
    "jpeg cut": (lambda: GOOD["jpeg"]()[:30], "cut short"),
    "jpeg scan first": (lambda: b"\xff\xd8\xff\xda\0\x08" + bytes(30), "does not say its size"),
    "jpeg of junk": (lambda: b"\xff\xd8\xff\xe0\0\x02junk" + bytes(30), "between its segments"),
    "jpeg of height 0": (lambda: b"\xff\xd8\xff\xc0\0\x0b\x08\0\0\0\x09" + bytes(9), "9 x 0"),
    "gif without frame": (lambda: b"GIF89a" + bytes(7) + b";" + bytes(9), "without a frame"),
    "gif cut": (lambda: GOOD["gif"]()[:12], "cut short"),
    "webp cut": (lambda: GOOD["webp lossy"]()[:25], "cut short"),
    "webp extended, cut": (lambda: GOOD["webp alpha"]()[:28], "cut short"),
    "webp of junk": (lambda: b"RIFF\0\0\0\0WEBPJUNK" + bytes(30), "without a picture"),
    "bmp cut": (lambda: GOOD["bmp"]()[:20], "cut short"),
}


@pytest.mark.parametrize("name", BAD)
def test_what_is_no_picture_is_said(name: str) -> None:
    """Every kind of wrong file is refused with what it is."""
    make, said = BAD[name]

    with pytest.raises(PictureError, match=said):
        read_header(make())


@pytest.mark.parametrize(
    "data",
    [
        b"\xff\xd8" + b"\xff" * (1 << 20),
        b"\xff\xd8" + b"\xff\xe0\0\x02" * (1 << 18),
        b"GIF89a" + bytes(7) + b"!\xfe\0" * (1 << 18),
        b"GIF89a" + bytes(7) + b"!\xfe" + b"\x01x" * (1 << 19),
    ],
    ids=["fill", "segments", "extensions", "blocks"],
)
def test_a_long_way_to_the_size_is_not_gone(data: bytes) -> None:
    """Every walk is bounded, whatever it walks over."""
    assert len(data) // 4 > MAX_STEPS

    with pytest.raises(PictureError, match="more in front of its size"):
        read_header(data)


def test_a_jpeg_of_scans_without_end_is_refused() -> None:
    """Each goes over all pixels; a progressive one, thumbnail and all, passes."""
    whole = plain("JPEG", 61, 43, progressive=True)
    assert read_header(whole).width == 61

    with pytest.raises(PictureError, match="scans"):
        read_header(whole[:-2] + b"\xff\xda\0\x08\x01\x01\0\0\x3f\0\0" * (MAX_SCANS + 1))


def test_a_jpeg_that_tells_no_length_does_not_stand_still() -> None:
    """A segment of length 0 leads nowhere but to a refusal."""
    with pytest.raises(PictureError, match=r"between its segments|more in front|cut short"):
        read_header(b"\xff\xd8\xff\xe0" + bytes(100))
