"""A picture on its way to an engine: turned, on white, small enough, and bad ones refused."""

from __future__ import annotations

import io
import struct
import zlib
from typing import Any

import pytest

from rkd.backend.pictures.decode import MOST_RATIO, pixels_of, png_of
from rkd.errors import InvalidInputError, Reason
from rkd.model import Media
from rkd.pictures.header import read_header
from tests.pictures import RED, plain, png, saved, with_chunks

PIXELS = 400 * 300


def pillow() -> Any:
    """Pillow's `Image`."""
    from PIL import Image  # noqa: PLC0415 - as in tests.pictures

    return Image


def media(data: bytes) -> Media:
    """The picture as the daemon makes it of a file."""
    header = read_header(data)
    return Media(data, header.width, header.height, "messages[2].parts[1]")


def quartered(mode: str = "RGB", size: tuple[int, int] = (40, 20)) -> Any:
    """White, with its upper left quarter red."""
    picture = pillow().new("RGB", size, (255, 255, 255))
    picture.paste(RED, (0, 0, size[0] // 2, size[1] // 2))
    return picture.convert(mode)


def near(one: tuple[int, ...], other: tuple[int, ...]) -> bool:
    """Whether two colours look alike: JPEG changes them a little."""
    return all(abs(a - b) < 40 for a, b in zip(one, other, strict=True))


@pytest.mark.parametrize("form", ["PNG", "JPEG", "WEBP", "GIF", "BMP"])
def test_every_format_becomes_the_same_pixels(form: str) -> None:
    """RGB, of the size its header says."""
    seen = pixels_of(media(saved(quartered(), form)), PIXELS)

    assert (seen.mode, seen.size) == ("RGB", (40, 20))
    assert near(seen.getpixel((5, 5)), RED)
    assert near(seen.getpixel((35, 15)), (255, 255, 255))


@pytest.mark.parametrize(
    ("form", "mode"),
    [(form, mode) for form in ("PNG", "BMP") for mode in ("1", "L", "P", "RGB")]
    + [("PNG", "LA"), ("PNG", "RGBA"), ("JPEG", "L"), ("JPEG", "CMYK"), ("WEBP", "RGBA")],
)
def test_every_mode_is_read(form: str, mode: str) -> None:
    """One bit to four colours."""
    seen = pixels_of(media(saved(quartered(mode), form)), PIXELS)

    assert seen.mode == "RGB"
    assert sum(seen.getpixel((35, 15))) > sum(seen.getpixel((5, 5)))


def test_sixteen_bits_are_not_cut_off() -> None:
    """Half bright is half bright."""
    grey = pillow().new("I;16", (4, 4), 0x8000)

    assert near(pixels_of(media(saved(grey, "PNG")), PIXELS).getpixel((1, 1)), (128, 128, 128))


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP"])
def test_a_picture_stands_as_its_exif_says(orientation: int, form: str) -> None:
    """Where the red quarter comes to stand; a shrunk one too."""
    exif = pillow().Exif()
    exif[0x0112] = orientation
    size = (160, 80)
    data = saved(quartered(size=size), form, exif=exif.tobytes())
    corner = {1: "lt", 2: "rt", 3: "rb", 4: "lb", 5: "lt", 6: "rt", 7: "rb", 8: "lb"}[orientation]
    for most in (PIXELS, 40 * 20):
        seen = pixels_of(media(data), most)
        wide, high = seen.size
        assert (wide > high) == (orientation < 5)
        at = (
            wide // 8 if "l" in corner else wide * 7 // 8,
            high // 8 if "t" in corner else high * 7 // 8,
        )
        assert near(seen.getpixel(at), RED), corner


@pytest.mark.parametrize("exif", [b"Exif\0\0junk", b"Exif\0\0II*\0\xff\xff\xff\xff", b"Exif\0\0"])
def test_broken_exif_turns_nothing(exif: bytes) -> None:
    """The picture is seen all the same."""
    assert pixels_of(media(plain("JPEG", exif=exif)), PIXELS).size == (60, 40)


@pytest.mark.parametrize(("form", "mode"), [("PNG", "RGBA"), ("PNG", "LA"), ("WEBP", "RGBA")])
def test_what_is_transparent_is_white(form: str, mode: str) -> None:
    """Black behind glass is white; half clear is grey; shrunk or not."""
    clear = pillow().new("RGBA", (80, 40), (0, 0, 0, 0))
    clear.paste((0, 0, 0, 128), (0, 0, 40, 40))
    data = saved(clear.convert(mode), form)
    for most in (PIXELS, 20 * 10):
        seen = pixels_of(media(data), most)
        wide, high = seen.size
        assert near(seen.getpixel((wide - 2, high // 2)), (255, 255, 255))
        assert near(seen.getpixel((wide // 4, high // 2)), (127, 127, 127))


@pytest.mark.parametrize("form", ["PNG", "GIF"])
def test_a_clear_colour_of_a_palette_is_white(form: str) -> None:
    """As such files say it."""
    picture = pillow().new("P", (8, 8), 0)
    picture.putpalette([0, 0, 0, 255, 0, 0])
    data = saved(picture, form, transparency=0)

    assert pixels_of(media(data), PIXELS).getpixel((4, 4)) == (255, 255, 255)


@pytest.mark.parametrize("form", ["GIF", "WEBP", "PNG"])
def test_of_one_that_moves_the_first_frame_is_seen(form: str) -> None:
    """And no other."""
    frames = [pillow().new("RGB", (20, 20), colour) for colour in ((255, 0, 0), (0, 0, 255))]
    data = saved(frames[0], form, save_all=True, append_images=frames[1:], duration=100)

    assert near(pixels_of(media(data), PIXELS).getpixel((10, 10)), RED)


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP"])
def test_a_large_one_is_made_small(form: str) -> None:
    """In its proportions; a small one stays as it is."""
    seen = pixels_of(media(saved(quartered(size=(2000, 1000)), form)), 20_000)

    assert seen.size == (200, 100)
    assert near(seen.getpixel((20, 20)), RED)


@pytest.mark.parametrize("size", [(1, 3000), (3000, 1), (1, 1), (2, 200_000)])
def test_a_very_long_one_gets_some_width(size: tuple[int, int]) -> None:
    """No side is many times the other."""
    wide, high = pixels_of(media(png(*size)), 1_000_000).size

    assert max(wide, high) <= MOST_RATIO * min(wide, high)
    assert wide * high < 2_000_000


def test_the_same_file_is_the_same_png() -> None:
    """So an engine finds again what it has computed."""
    data = saved(quartered(size=(900, 700)), "JPEG")

    assert png_of(media(data), PIXELS) == png_of(media(data), PIXELS)
    assert read_header(png_of(media(data), PIXELS)).mime_type == "image/png"


def test_a_header_that_lied_is_refused() -> None:
    """What was judged is what is decoded."""
    one = media(plain("PNG"))

    with pytest.raises(InvalidInputError, match="60 x 40 pixels, and says otherwise"):
        pixels_of(Media(one.data, 60, 41, "parts[0]"), PIXELS)


def bad() -> dict[str, bytes]:
    """Files that begin well."""
    whole = {form: plain(form, 64, 64) for form in ("PNG", "JPEG", "WEBP", "GIF", "BMP")}
    cut = {f"{form} cut": data[: len(data) * 2 // 3] for form, data in whole.items()}
    packed = zlib.compress(bytes(100))
    return {
        **cut,
        "no data": with_chunks(64, 64, (b"IEND", b"")),
        "too little data": with_chunks(64, 64, (b"IDAT", packed), (b"IEND", b"")),
        "no zlib": with_chunks(64, 64, (b"IDAT", b"junk" * 9), (b"IEND", b"")),
        "wrong sum": png()[:-20] + b"\0\0\0\0" + png()[-16:],
        "gif of no codes": b"GIF89a" + struct.pack("<HHBBB", 9, 9, 0, 0, 0)
        + b"," + struct.pack("<HHHHB", 0, 0, 9, 9, 0) + b"\x09\x01\xff\0;",
    }  # fmt: skip


@pytest.mark.parametrize("name", [
    "PNG cut", "JPEG cut", "WEBP cut", "GIF cut", "BMP cut", "no data", "too little data",
    "no zlib", "wrong sum", "gif of no codes",
])  # fmt: skip
def test_a_damaged_one_is_refused_by_place(name: str) -> None:
    """With the decoder's words, cut; nothing else is raised."""
    with pytest.raises(InvalidInputError, match="cannot be decoded") as error:
        pixels_of(media(bad()[name]), PIXELS)

    assert error.value.reason is Reason.INVALID_FIELD
    assert error.value.violations[0].field == "messages[2].parts[1]"


def test_texts_packed_beside_the_pixels_are_not_unpacked_without_end() -> None:
    """A hundred megabytes of comment in a hundred kilobytes."""
    packer = zlib.compressobj(9)
    packed = b"".join(packer.compress(bytes(1 << 20)) for _ in range(100)) + packer.flush()
    data = with_chunks(8, 8, (b"zTXt", b"k\0\0" + packed), *_chunks(8, 8))

    with pytest.raises(InvalidInputError, match="cannot be decoded"):
        pixels_of(media(data), PIXELS)


def _chunks(width: int, height: int) -> tuple[tuple[bytes, bytes], ...]:
    rows = b"".join(b"\0" + bytes(3 * width) for _ in range(height))
    return (b"IDAT", zlib.compress(rows)), (b"IEND", b"")


def test_others_formats_are_not_opened() -> None:
    """Only the five are tried, whatever Pillow can."""
    file = io.BytesIO()
    pillow().new("RGB", (4, 4)).save(file, "TIFF")

    with pytest.raises(InvalidInputError, match="cannot be decoded"):
        pixels_of(Media(file.getvalue(), 4, 4, "parts[0]"), PIXELS)
