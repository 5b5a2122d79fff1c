"""
Messages that can be sent whatever is put into them: the one place that makes text and numbers fit.

What comes from outside is made harmless where it is read; here nothing is left that could end a
list for the sake of one item. Pure.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime, timedelta
from enum import Enum
from typing import Any, Final, TypeVar

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

from rkd.model import BackendKind
from rkd.outside import cut
from rkd.service.gate.message import FLOATS, MAX_SECONDS

ITEM_BYTES: Final = 16 << 10
"""Longest text of one item of a list: a page of a thousand fits a client's four megabytes."""

TEXT_BYTES: Final = 1 << 20
"""Longest text of a message that shows one thing."""

_RANGES: Final = {
    FieldDescriptor.CPPTYPE_INT32: (-(2**31), 2**31 - 1),
    FieldDescriptor.CPPTYPE_INT64: (-(2**63), 2**63 - 1),
    FieldDescriptor.CPPTYPE_UINT32: (0, 2**32 - 1),
    FieldDescriptor.CPPTYPE_UINT64: (0, 2**64 - 1),
}
_MAX_FLOAT: Final = 1e38

M = TypeVar("M", bound=Message)


def message(kind: type[M], most_bytes: int = ITEM_BYTES, /, **fields: Any) -> M:
    """
    Make a message of *kind* whose texts together hardly exceed *most_bytes*.

    Numbers too big for their field become the biggest it holds, what is no number 0; text that is
    no UTF-8 is escaped, and what is too long cut. A field given None stays unset; a member of an
    enum of ours becomes the value of that name.
    """
    enums = _enums(kind.DESCRIPTOR)
    given = {
        name: _numbered(value, enums[name]) if name in enums else value
        for name, value in fields.items()
        if value is not None
    }
    try:
        made = kind(**given)
        if made.ByteSize() <= most_bytes:
            return made
    except (ValueError, TypeError, OverflowError):
        pass
    known: Any = kind.DESCRIPTOR.fields_by_name
    return kind(**{name: _fitting(value, known[name], most_bytes) for name, value in given.items()})


def like(kind: type[M], source: object, most_bytes: int = ITEM_BYTES, /, **fields: Any) -> M:
    """
    Make a message of *kind* as `message` does, of *fields* and of what *source* has by their names.

    Messages in it (times, lengths of time) are left unset where they are not among *fields*.

    Raises:
        AttributeError: a field that is in neither.
    """
    alike = {
        one.name: getattr(source, one.name)
        for one in kind.DESCRIPTOR.fields
        if one.name not in fields and one.message_type is None
    }
    return message(kind, most_bytes, **alike, **fields)


def stamp(target: Timestamp, moment: datetime | None) -> None:
    """Set *target* to *moment*; None, and what UTC has no date for, leaves it unset."""
    if moment is not None:
        with suppress(OverflowError, ValueError):
            target.FromDatetime(moment)


def stamp_in(target: Timestamp, seconds: float | None, now: datetime) -> None:
    """Set *target* to *seconds* from *now*; never, and what no calendar has, leave it unset."""
    if seconds is None or not math.isfinite(seconds):
        return
    with suppress(OverflowError):
        stamp(target, now + timedelta(seconds=seconds))


def span(target: Duration, seconds: float) -> None:
    """Set *target* to *seconds*, as far as it holds them."""
    fitting = 0.0 if math.isnan(seconds) else max(-MAX_SECONDS, min(seconds, MAX_SECONDS))
    whole = int(fitting)
    target.seconds, target.nanos = whole, int((fitting - whole) * 1_000_000) * 1000


def backend(kind: BackendKind) -> str:
    """Return the name of *kind* for a field of type Backend."""
    return f"BACKEND_{kind.name}"


@functools.cache
def _enums(kind: Any) -> dict[str, dict[str, int]]:
    """Return, of each enum field of *kind*, the numbers by name; the fields' prefix left out."""
    found = {}
    for field in kind.fields:
        if field.enum_type is not None:
            prefix = field.enum_type.values[0].name.removesuffix("UNSPECIFIED")
            values = field.enum_type.values
            found[field.name] = {one.name.removeprefix(prefix): one.number for one in values}
    return found


def _numbered(value: Any, numbers: Mapping[str, int]) -> Any:
    if isinstance(value, Enum):
        return numbers[value.name]
    return [_numbered(one, numbers) for one in value] if isinstance(value, list) else value


def _fitting(value: Any, field: FieldDescriptor, most_bytes: int) -> Any:
    if not field.is_repeated:
        return _one(value, field, most_bytes)
    if isinstance(value, Mapping):
        inner = field.message_type.fields_by_name  # type: ignore[union-attr]
        return {
            _one(key, inner["key"], most_bytes): _one(one, inner["value"], most_bytes)
            for key, one in value.items()
        }
    return [_one(one, field, most_bytes) for one in value]


def _one(value: Any, field: FieldDescriptor, most_bytes: int) -> Any:
    kind = field.cpp_type
    if kind == FieldDescriptor.CPPTYPE_STRING and isinstance(value, str):
        return cut(value, most_bytes)
    if kind in _RANGES:
        low, high = _RANGES[kind]
        return max(low, min(_whole(value), high))
    if kind == FieldDescriptor.CPPTYPE_BOOL:
        return bool(value)
    if kind in FLOATS:
        return _finite(value)
    return value


def _whole(value: Any) -> int:
    return value if isinstance(value, int) else int(_finite(value))


def _finite(value: Any) -> float:
    if value > _MAX_FLOAT or value < -_MAX_FLOAT:
        return math.copysign(_MAX_FLOAT, value)
    return 0.0 if value != value else float(value)  # noqa: PLR0124 - NaN
