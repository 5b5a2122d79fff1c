"""Text and pictures of a request, judged by place before anything waits; pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from rkd.errors import ExhaustedError, Reason
from rkd.inference import Run
from rkd.model import Media, Part
from rkd.outside import quoted
from rkd.pictures.header import PictureError, PictureHeader, read_header
from rkd.service.options import Checker
from rkd.v1 import types_pb2 as types

_ALIASES = {
    "image/jpg": "image/jpeg",
    "image/pjpeg": "image/jpeg",
    "image/x-png": "image/png",
    "image/x-ms-bmp": "image/bmp",
    "image/x-bmp": "image/bmp",
}
_SAYS_NOTHING = frozenset({"", "application/octet-stream", "image/*", "*/*"})
_MEGA = 1_000_000
MOST_HELD_BYTES = 96 << 20
"""Of pictures, in all requests that wait or run: eight of the longest. Each is held until its end,
and as many as `max_queue` may wait."""


@dataclass(frozen=True, slots=True)
class PictureLimits:
    """
    What the pictures of one request may be.

    Args:
        most: how many.
        pixels: of each.
        total_bytes: of all together, as files.
    """

    most: int = 8
    pixels: int = 40 * _MEGA
    total_bytes: int = 12 << 20


class PartsReader:
    """
    Reads the parts of one request, all of its turns, and counts its pictures.

    Args:
        limits: what they may be.
        check: takes what is wrong.
    """

    def __init__(self, limits: PictureLimits, check: Checker) -> None:
        self._limits = limits
        self._check = check
        self._pictures = 0
        self._bytes = 0

    def read(self, parts: Iterable[types.Part], where: str, *, pictures: bool) -> tuple[Part, ...]:
        """
        Return *parts* with neighbouring texts as lines of one; what is wrong is noted.

        Args:
            parts: of one turn or prompt.
            where: its path in the request (`messages[2].parts`).
            pictures: whether they have a place there.
        """
        found: list[Part] = []
        for at, part in enumerate(parts):
            place = f"{where}[{at}]"
            match part.WhichOneof("kind"):
                case "text":
                    _add_text(found, part.text)
                case "media":
                    self._check.need(pictures, place, "is a picture outside a turn of the user")
                    picture = self._picture(part.media, place)
                    if picture is not None:
                        found.append(picture)
                case _:
                    self._check.need(False, place, "should be a text or a picture")
        return tuple(found)

    def _picture(self, media: types.Media, place: str) -> Media | None:
        data, limits = media.data, self._limits
        self._pictures += 1
        self._bytes += len(data)
        if self._pictures > limits.most:
            what = f"is picture {self._pictures}: a request takes {limits.most} (max_pictures)"
            self._check.need(False, place, what)
            return None
        if self._bytes > limits.total_bytes:
            what = f"makes the pictures longer than {limits.total_bytes} bytes (max_picture_bytes)"
            self._check.need(False, place, what)
            return None
        try:
            header = read_header(data)
        except PictureError as error:
            self._check.need(False, place, str(error))
            return None
        if self._fits(header, media.mime_type, place):
            return Media(data, header.width, header.height, place)
        return None

    def _fits(self, header: PictureHeader, mime_type: str, place: str) -> bool:
        said = mime_type.partition(";")[0].strip().lower()
        said = _ALIASES.get(said, said)
        if said not in _SAYS_NOTHING and said != header.mime_type:
            what = f"is {header.mime_type} by its first bytes, not {quoted(mime_type)}"
            self._check.need(False, place, what)
            return False
        if header.pixels > self._limits.pixels:
            most = self._limits.pixels // _MEGA
            what = (
                f"has {header.width} x {header.height} pixels; at most {most} million are "
                "taken (max_picture_megapixels): send it smaller"
            )
            self._check.need(False, place, what)
            return False
        return True


def _add_text(found: list[Part], text: str) -> None:
    if not text:
        return
    if found and isinstance(found[-1], str):
        found[-1] += f"\n{text}"
    else:
        found.append(text)


def text_of(parts: Iterable[Part]) -> str:
    """Return the texts of *parts*, a line each."""
    return "\n".join(part for part in parts if isinstance(part, str))


def kept(parts: tuple[Part, ...]) -> tuple[Part, ...]:
    """Return *parts* where a picture is among them; text alone is content."""
    return parts if any(isinstance(part, Media) for part in parts) else ()


class HeldPictures:
    """Counts the bytes of pictures the daemon holds; on the event loop's thread."""

    def __init__(self) -> None:
        self._bytes = 0

    @contextmanager
    def entered(self, run: Run) -> Iterator[None]:
        """
        Hold the pictures of *run*.

        Raises:
            ExhaustedError: QUEUE_FULL, there are too many already.
        """
        size_bytes = sum(len(one.data) for one in run.media)
        if size_bytes and self._bytes + size_bytes > MOST_HELD_BYTES:
            raise ExhaustedError(
                Reason.QUEUE_FULL,
                f"the pictures of waiting requests take {self._bytes >> 20} MiB already",
                remedy="Try again after the delay given, or send smaller pictures.",
                retry_after_s=5.0,
            )
        self._bytes += size_bytes
        try:
            yield
        finally:
            self._bytes -= size_bytes
