"""
A picture as its file holds it becomes plain pixels: upright, on white, no larger than wanted.

The engines' own decoders never see a file of somebody else's: what they are given is written here.
Of a file that moves, the first frame is decoded and no other. One picture at a time, whatever the
number of runs: what decoding takes is taken once.
"""

from __future__ import annotations

import io
import math
import struct
import threading
import warnings
import zlib
from typing import TYPE_CHECKING

from rkd.backend.pictures.pillow import import_pillow
from rkd.errors import InvalidInputError, bad_field
from rkd.outside import QUOTED_CHARACTERS, shown

if TYPE_CHECKING:
    from PIL import Image

    from rkd.model import Media

MOST_RATIO = 50
"""A picture longer than that many times its width gets white beside it: llama.cpp aligns the short
side upwards and the long one with it, past every cap on tokens."""

GREY = (127, 127, 127)
"""Around a picture on an encoder's square: Rockchip's demo pads with 127.5."""
MOST_FRAMES = 4
"""A picture is shrunk to so many times the encoder's pixels before it is fitted into them."""

_FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "BMP")
_ORIENTATION = 0x0112
_WHITE = (255, 255, 255)
_FAULTS = (
    ArithmeticError,
    AttributeError,
    EOFError,
    LookupError,
    MemoryError,
    OSError,
    RecursionError,
    RuntimeError,
    SyntaxError,
    TypeError,
    ValueError,
    struct.error,
    zlib.error,
)
"""What decoding somebody else's file can raise."""

_one_at_a_time = threading.Lock()


def pixels_of(media: Media, most_pixels: int) -> Image.Image:
    """
    Decode *media* to RGB, with at most about *most_pixels* pixels.

    Raises:
        InvalidInputError: INVALID_FIELD by its place: it is damaged, or not what its header said.
        PreconditionError: CAPABILITY_UNSUPPORTED, there is no decoder.
    """
    pillow = import_pillow()
    with _one_at_a_time, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what it says of damaged EXIF, to a log nobody reads
        try:
            with pillow.open(io.BytesIO(media.data), formats=_FORMATS) as picture:
                if picture.size != (media.width, media.height):
                    wide, high = picture.size
                    raise _refusal(media, f"has {wide} x {high} pixels, and says otherwise")
                return _upright(_decoded(picture, most_pixels))
        except InvalidInputError:
            raise
        except _FAULTS as error:
            what = shown(str(error) or type(error).__name__)[:QUOTED_CHARACTERS]
            raise _refusal(media, f"cannot be decoded: {what}") from error


def png_of(media: Media, most_pixels: int) -> bytes:
    """
    Decode *media* and write it as a plain PNG; the same picture is the same bytes.

    Raises:
        InvalidInputError, PreconditionError: as `pixels_of`.
    """
    file = io.BytesIO()
    pixels_of(media, most_pixels).save(file, "PNG", compress_level=1)
    return file.getvalue()


def framed(media: Media, width: int, height: int) -> bytes:
    """
    Decode *media* to RGB bytes of exactly that size: in its proportions, centred, grey around.

    Raises:
        InvalidInputError, PreconditionError: as `pixels_of`.
    """
    pillow = import_pillow()
    picture = pixels_of(media, MOST_FRAMES * width * height)
    scale = min(width / picture.width, height / picture.height)
    size = max(1, round(picture.width * scale)), max(1, round(picture.height * scale))
    if size != picture.size:
        picture = picture.resize(size, pillow.Resampling.BILINEAR, reducing_gap=3.0)
    sheet = pillow.new("RGB", (width, height), GREY)
    sheet.paste(picture, ((width - size[0]) // 2, (height - size[1]) // 2))
    pixels: bytes = sheet.tobytes()
    return pixels


def _refusal(media: Media, what: str) -> InvalidInputError:
    return bad_field(media.place or "parts", what)


def _decoded(picture: Image.Image, most_pixels: int) -> tuple[Image.Image, int]:
    """Return *picture* as RGB and small enough, and how it is to be turned."""
    size = _fitting(picture.width, picture.height, most_pixels)
    if size != picture.size:
        picture.draft(None, size)  # a JPEG is decoded at a half, a quarter or an eighth
    picture.load()
    orientation = _orientation(picture)
    plain = _plain(picture)
    if plain.size != size:
        plain = plain.resize(size, import_pillow().Resampling.LANCZOS, reducing_gap=3.0)
    return _on_white(plain), orientation


def _fitting(width: int, height: int, most_pixels: int) -> tuple[int, int]:
    """Return the size under which the picture, on its sheet, has no more than *most_pixels*."""
    wide, high = _sheet(width, height)
    scale = math.sqrt(most_pixels / (wide * high))
    if scale >= 1:
        return width, height
    return max(1, round(width * scale)), max(1, round(height * scale))


def _sheet(width: int, height: int) -> tuple[int, int]:
    """Return the size of what a picture is put on: no side is too many times the other."""
    return max(width, -(-height // MOST_RATIO)), max(height, -(-width // MOST_RATIO))


def _plain(picture: Image.Image) -> Image.Image:
    """Return *picture* in a mode that can be resized and put on white."""
    if picture.mode in {"RGB", "L", "RGBA", "LA"} and "transparency" not in picture.info:
        return picture
    if picture.mode.startswith("I"):
        # 16 bits of grey; Pillow's own way cuts off what is brighter than 255.
        return picture.convert("I").point(lambda value: value * (1 / 257)).convert("L")
    clear = "transparency" in picture.info or picture.mode in {"PA", "La", "RGBa"}
    return picture.convert("RGBA" if clear else "RGB")


def _on_white(picture: Image.Image) -> Image.Image:
    if picture.mode not in {"RGBA", "LA"}:
        plain: Image.Image = picture.convert("RGB")
        return plain
    sheet: Image.Image = import_pillow().new("RGB", picture.size, _WHITE)
    clear: Image.Image = picture.convert("RGBA")
    sheet.paste(clear, (0, 0), clear)
    return sheet


def _orientation(picture: Image.Image) -> int:
    """Return what its EXIF says of how it is held, 1 to 8; 1 where that cannot be read."""
    try:
        said = picture.getexif().get(_ORIENTATION, 1)
    except _FAULTS:
        return 1
    return said if isinstance(said, int) and said in range(1, 9) else 1


def _upright(decoded: tuple[Image.Image, int]) -> Image.Image:
    """Turn a picture as its EXIF says, and give a very long one some width."""
    picture, orientation = decoded
    turn = import_pillow().Transpose
    # Source: EXIF 2.32, 4.6.4, tag 274.
    ways = {
        2: turn.FLIP_LEFT_RIGHT,
        3: turn.ROTATE_180,
        4: turn.FLIP_TOP_BOTTOM,
        5: turn.TRANSPOSE,
        6: turn.ROTATE_270,
        7: turn.TRANSVERSE,
        8: turn.ROTATE_90,
    }
    if orientation in ways:
        picture = picture.transpose(ways[orientation])
    wide, high = picture.size
    size = _sheet(wide, high)
    if size == (wide, high):
        return picture
    sheet: Image.Image = import_pillow().new("RGB", size, _WHITE)
    sheet.paste(picture, ((size[0] - wide) // 2, (size[1] - high) // 2))
    return sheet
