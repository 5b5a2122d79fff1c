"""Pictures of every dialect, as parts of a turn; an address is never fetched."""

from __future__ import annotations

from typing import Any

from rkd_client.errors import InvalidInputError
from rkd_client.parts import parts_of, pictures_of

from rkd.v1 import types_pb2 as types


def of_address(path: str, address: object) -> types.Part:
    """
    Return the picture in a `data:` address.

    Raises:
        InvalidInputError: INVALID_FIELD at *path*, it is none, or an address of elsewhere.
    """
    return _named(path, lambda: parts_of([{"type": "image_url", "image_url": address}]))


def of_base64(path: str, text: object) -> types.Part:
    """
    Return the picture that *text* is.

    Raises:
        InvalidInputError: INVALID_FIELD at *path*, it is none.
    """
    return _named(path, lambda: pictures_of([text if isinstance(text, str) else "?"]))


def content(pieces: list[types.Part]) -> dict[str, Any]:
    """Return *pieces* as fields of a turn: text alone as its content, else its parts."""
    if any(one.WhichOneof("kind") == "media" for one in pieces):
        return {"content": "", "parts": pieces}
    return {"content": "".join(one.text for one in pieces)}


def _named(path: str, make: Any) -> types.Part:
    try:
        (found,) = make()
    except InvalidInputError as error:
        why = error.message.partition(": ")[2] or error.message
        said = f"{path}: {why}"
        raise InvalidInputError(error.reason, said, metadata={"field": path}) from error
    made: types.Part = found
    return made
