"""
Text and pictures of a turn or prompt, however they are written.

A picture is its file's content (`bytes`), a `pathlib.Path` that is read here, a `Media`, or a part
as OpenAI has it: an address is taken only where it is a `data:` one, which holds the picture.
"""

from __future__ import annotations

import binascii
import errno
import os
from base64 import b64decode
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias
from urllib.parse import unquote_to_bytes

from rkd.v1 import types_pb2 as types
from rkd_client.errors import InvalidInputError
from rkd_client.files import named, read_whole, why_not
from rkd_client.values import attributes, fill

if TYPE_CHECKING:
    from rkd_client.v1.types import Media, Part

Piece: TypeAlias = (
    "str | bytes | Path | Media | Part | types.Media | types.Part | Mapping[str, Any]"
)
"""One text or picture, however it is written."""

MAX_PICTURE_BYTES = 15 << 20
"""More fits no request."""


def parts_of(pieces: Iterable[Piece]) -> list[types.Part]:
    """
    Return *pieces* as parts, in their order.

    Raises:
        InvalidInputError: INVALID_FIELD, something that is no text and no picture.
    """
    return [_part(piece, at) for at, piece in enumerate(pieces)]


def pictures_of(images: Iterable[Any]) -> list[types.Part]:
    """
    Return Ollama's *images* as parts: bytes, paths or base64.

    Raises:
        InvalidInputError: INVALID_FIELD, as `parts_of`.
    """
    return [
        _media(_decoded(one, at)) if isinstance(one, str) else _part(one, at)
        for at, one in enumerate(images)
    ]


def _part(piece: Any, at: int) -> types.Part:
    made = types.Part()
    match piece:
        case str():
            made.text = piece
        case bytes() | bytearray() | memoryview():
            made.media.data = bytes(piece)
        case os.PathLike():
            made.media.data = read_picture(Path(piece))
        case types.Part():
            made.CopyFrom(piece)
        case types.Media():
            made.media.CopyFrom(piece)
        case _ if isinstance(piece, Mapping) or hasattr(piece, "__dataclass_fields__"):
            given = piece if isinstance(piece, Mapping) else attributes(piece)
            made = _of_mapping(given, at)
        case _:
            raise _refusal(at, f"a {type(piece).__name__} is neither a text nor a picture")
    return made


def _of_mapping(given: Mapping[str, Any], at: int) -> types.Part:
    if "type" in given:
        return _of_openai(given, at)
    if "data" in given:
        return types.Part(media=fill(types.Media(), **given))
    if given.get("media") is not None:
        return _part(given["media"], at)
    if isinstance(given.get("text"), str):
        return types.Part(text=given["text"])
    raise _refusal(at, "it is neither a text nor a picture")


def _of_openai(given: Mapping[str, Any], at: int) -> types.Part:
    match given["type"]:
        case "text" | "input_text" if isinstance(given.get("text"), str):
            return types.Part(text=given["text"])
        case "image_url" | "input_image":
            inner = given.get("image_url")
            url = inner.get("url") if isinstance(inner, Mapping) else inner
            return _of_url(url, at)
        case _:
            pass
    raise _refusal(at, f"there are no parts of type {str(given['type'])[:40]!r} here")


def _of_url(url: object, at: int) -> types.Part:
    if not isinstance(url, str) or url[:5].lower() != "data:":
        raise _refusal(at, "an address is not fetched: send the picture itself, as data: or bytes")
    said, comma, content = url[5:].partition(",")
    mime_type, _, encoding = said.rpartition(";")
    if not comma:
        raise _refusal(at, "the data: address has no content")
    if encoding.strip().lower() != "base64":
        return _media(unquote_to_bytes(content), said.partition(";")[0])
    return _media(_decoded(content, at), mime_type.partition(";")[0])


def _decoded(text: str, at: int) -> bytes:
    try:
        return b64decode(text, validate=True)
    except (ValueError, binascii.Error) as error:
        raise _refusal(at, f"the picture is no base64: {error}") from error


def _media(data: bytes, mime_type: str = "") -> types.Part:
    return types.Part(media=types.Media(data=data, mime_type=mime_type))


def read_picture(path: Path) -> bytes:
    """
    Return the content of the picture file *path*.

    Raises:
        InvalidInputError: INVALID_FIELD, it is none, cannot be read or is too long.
    """
    try:
        return read_whole(path, MAX_PICTURE_BYTES)
    except OSError as error:
        why = why_not(error)
        if error.errno == errno.EFBIG:
            why = f"it is longer than {MAX_PICTURE_BYTES >> 20} MiB: make it smaller"
        raise _refusal(0, f"{named(path)} cannot be read: {why}") from error


def _refusal(at: int, why: str) -> InvalidInputError:
    said = f"part {at} is wrong: {why[:300]}"
    return InvalidInputError("INVALID_FIELD", said, metadata={"field": f"parts[{at}]"})
