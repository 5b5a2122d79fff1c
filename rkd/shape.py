"""
Read JSON that somebody else wrote: bounded before it is parsed, typed where a value is used.

A document is measured first, so that what it becomes in memory is bounded too. Each reader takes a
value of any type and returns one that may go on the wire, or raises `UnlikeError`. Pure.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from typing import Annotated, TypeVar

import msgspec

from rkd.outside import json_value, quoted

MOST_VALUES = 500_000
"""Items of one document; each costs some 100 bytes once it is parsed."""

LARGEST = 2**63 - 1
"""Largest number a field of the wire holds."""

Line = Annotated[str, msgspec.Meta(pattern=r"^[^\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]*$")]
"""What `line` takes, as the type of a field."""

Count = Annotated[int, msgspec.Meta(ge=0, le=LARGEST)]
"""What `count` takes, likewise."""

Moment = Annotated[datetime, msgspec.Meta(tz=True)]
"""A moment of a known time zone."""

_EARLIEST = datetime(1970, 1, 1, tzinfo=UTC)
_LATEST = datetime(9000, 1, 1, tzinfo=UTC)
"""A moment outside is refused: its neighbours in other time zones have no name any more."""

_SHOWN_CHARACTERS = 60
_Value = TypeVar("_Value")


class UnlikeError(ValueError):
    """A document or a value in it is not what it should be."""


def parse(data: bytes, *, most_bytes: int, most_values: int = MOST_VALUES) -> object:
    """
    Parse a JSON document in linear time and bounded memory.

    Raises:
        UnlikeError: it is too large, has too many values, nests too deeply, or is no JSON.
    """
    if len(data) > most_bytes:
        raise UnlikeError(f"more than {most_bytes} bytes")
    try:
        return json_value(data, most_items=most_values)
    except ValueError as error:
        raise UnlikeError(f"no JSON: {quoted(str(error))}") from None


def record(value: object) -> Mapping[str, object]:
    """Take an object."""
    if not isinstance(value, dict):
        raise _unlike(value, "an object")
    return value


def items(value: object, *, most: int) -> list[object]:
    """Take a list of at most *most* items."""
    if not isinstance(value, list):
        raise _unlike(value, "a list")
    if len(value) > most:
        raise UnlikeError(f"a list of {len(value)} items, {most} is the most")
    return value


def text(value: object, *, most_bytes: int) -> str:
    """Take a text that is UTF-8, of at most *most_bytes* bytes; control characters may be in it."""
    if not isinstance(value, str):
        raise _unlike(value, "a text")
    try:
        length = len(value.encode("utf-8"))
    except UnicodeEncodeError:
        raise UnlikeError("a text that is no UTF-8") from None
    if length > most_bytes:
        raise UnlikeError(f"a text of {length} bytes, {most_bytes} is the most")
    return value


def line(value: object, *, most_bytes: int) -> str:
    """Take a text of one line without control characters."""
    found = text(value, most_bytes=most_bytes)
    if not found.isprintable():
        raise UnlikeError("a text with control characters")
    return found


def count(value: object) -> int:
    """Take a whole number from 0 to `LARGEST`."""
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= LARGEST:
        raise _unlike(value, "a number from 0 to 2^63 - 1")
    return value


def moment(value: object) -> datetime:
    """Take an ISO 8601 moment with its time zone, between 1970 and 9000; returned in UTC."""
    try:
        at = datetime.fromisoformat(text(value, most_bytes=64))
    except ValueError:
        raise _unlike(value, "a moment") from None
    if at.tzinfo is None:
        raise _unlike(value, "a moment with its time zone")
    if not _EARLIEST <= at <= _LATEST:
        raise _unlike(value, "a moment between 1970 and 9000")
    return at.astimezone(UTC)


def typed(value: object, kind: type[_Value]) -> _Value:
    """Take the dataclass *kind*, or a tuple of it, as `msgspec.to_builtins` writes it."""
    try:
        return msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        raise UnlikeError(str(error)) from None


def texts(value: object, *, most_items: int, most_bytes: int) -> tuple[str, ...]:
    """Take the lines of a list; what is none, and what is too many, is left out."""
    known = value[:most_items] if isinstance(value, list) else []
    return tuple(kept(known, lambda one: line(one, most_bytes=most_bytes)))


def kept(values: Iterable[object], read: Callable[[object], _Value]) -> Iterable[_Value]:
    """Read every value; what cannot be read is left out."""
    for value in values:
        try:
            yield read(value)
        except UnlikeError:
            continue


def either(read: Callable[[object], _Value], value: object, otherwise: _Value) -> _Value:
    """Read *value*, or take *otherwise* where it cannot be read."""
    try:
        return read(value)
    except UnlikeError:
        return otherwise


def _unlike(value: object, wanted: str) -> UnlikeError:
    return UnlikeError(f"{quoted(value)[:_SHOWN_CHARACTERS]} is not {wanted}")
