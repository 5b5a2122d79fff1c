"""
From messages of the protos to plain values, and from plain values into messages.

A message becomes the dataclass of its name in `rkd_client.v1`. What a Duration `x` is, a value
calls `x_s`, in seconds; enums are words, times datetimes in UTC; what is None is not sent.
"""

from __future__ import annotations

import functools
import importlib
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC
from pathlib import PurePosixPath
from typing import Any, TypeVar

from google.protobuf.descriptor import EnumDescriptor, FieldDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

from rkd_client.errors import InvalidInputError

Filled = TypeVar("Filled", bound=Message)

_TIMESTAMP, _DURATION = "google.protobuf.Timestamp", "google.protobuf.Duration"
_SECONDS = "_s"


def value_of(message: Message) -> Any:
    """Return *message* as its dataclass."""
    kind, fields = _shape(message.DESCRIPTOR)
    return kind(
        **{
            attribute: read(getattr(message, name))
            for name, attribute, read, presence in fields
            if not presence or message.HasField(name)
        }
    )


def fill(message: Filled, /, **given: Any) -> Filled:
    """
    Set the fields *given* in *message* and return it; None leaves a field alone.

    Raises:
        InvalidInputError: INVALID_FIELD, a value the field cannot hold.
        TypeError: there is no such field.
    """
    for name, value in given.items():
        if value is None:
            continue
        field = field_named(message.DESCRIPTOR, name)
        if field is None:
            raise TypeError(f"{message.DESCRIPTOR.name} has no field for {name!r}")
        try:
            _set(message, field, value)
        except (TypeError, ValueError, KeyError) as error:
            said = f"{name} cannot be {str(value)[:80]!r}: {error}"
            raise InvalidInputError("INVALID_FIELD", said, metadata={"field": name}) from error
    return message


def field_named(descriptor: Any, name: str) -> FieldDescriptor | None:
    """Return the field a value calls *name*, None when there is none."""
    field: FieldDescriptor | None = descriptor.fields_by_name.get(name)
    if field is None and name.endswith(_SECONDS):
        field = descriptor.fields_by_name.get(name.removesuffix(_SECONDS))
        return field if field is not None and _kind(field) == _DURATION else None
    return field if field is None or _kind(field) != _DURATION else None


def words_of(enum: EnumDescriptor) -> dict[str, int]:
    """Return the values of *enum* by their words; the unspecified one is ""."""
    prefix = enum.values_by_number[0].name.removesuffix("UNSPECIFIED")
    return {
        value.name.removeprefix(prefix).lower() if value.number else "": value.number
        for value in enum.values
    }


@functools.cache
def _shape(descriptor: Any) -> tuple[type, list[tuple[str, str, Callable[..., Any], bool]]]:
    """Return the dataclass and, for each field, its names, its reader and whether it may lack."""
    home = PurePosixPath(descriptor.file.name).stem
    kind = getattr(importlib.import_module(f"rkd_client.v1.{home}"), descriptor.name)
    fields = []
    for field in descriptor.fields:
        whole = _kind(field) == _DURATION
        attribute = f"{field.name}{_SECONDS}" if whole else field.name
        fields.append((field.name, attribute, _reader(field), field.has_presence))
    return kind, fields


def _reader(field: FieldDescriptor) -> Callable[[Any], Any]:
    one = _single(field)
    if _is_map(field):
        return dict if one is _same else lambda entries: {k: one(v) for k, v in entries.items()}
    if field.is_repeated:
        return tuple if one is _same else lambda items: tuple(map(one, items))
    return one


def _single(field: FieldDescriptor) -> Callable[[Any], Any]:
    if field.message_type is not None and _is_map(field):
        return _single(field.message_type.fields_by_name["value"])
    if field.enum_type is not None:
        words = {number: word for word, number in words_of(field.enum_type).items()}
        return lambda number: words.get(number, str(number))  # a newer daemon's word
    match _kind(field):
        case "":
            return _same
        case name if name == _TIMESTAMP:
            return lambda moment: moment.ToDatetime(UTC)
        case name if name == _DURATION:
            return lambda length: length.ToNanoseconds() / 1e9
        case _:
            return value_of


def _same(value: Any) -> Any:
    return value


def _kind(field: FieldDescriptor) -> str:
    return field.message_type.full_name if field.message_type is not None else ""


def _is_map(field: FieldDescriptor) -> bool:
    return field.message_type is not None and field.message_type.GetOptions().map_entry


def _set(message: Message, field: FieldDescriptor, value: Any) -> None:
    held = getattr(message, field.name)
    if _is_map(field):
        held.update(value)
    elif field.is_repeated:
        held.extend(_plain(field, one) for one in _listed(value))
    elif _kind(field) == _DURATION:
        held.FromNanoseconds(round(value * 1e9))
    elif field.message_type is not None:
        held.CopyFrom(_plain(field, value))
    else:
        setattr(message, field.name, _plain(field, value))


def _listed(value: Any) -> Iterable[Any]:
    """Return *value* as a list; one text, or one message, is a list of one."""
    return (value,) if isinstance(value, str | Mapping) else value


def _plain(field: FieldDescriptor, value: Any) -> Any:
    """Return *value* as the field takes it: a number for a word, a message for a dataclass."""
    if field.enum_type is not None and isinstance(value, str):
        words = words_of(field.enum_type)
        if value not in words:
            raise ValueError(f"there are {', '.join(word for word in words if word)}")
        return words[value]
    if field.message_type is None or isinstance(value, Message):
        return value
    given = value if isinstance(value, Mapping) else attributes(value)
    return fill(GetMessageClass(field.message_type)(), **given)


def attributes(value: Any) -> dict[str, Any]:
    """Return the fields of a dataclass, as they are."""
    return {name: getattr(value, name) for name in value.__dataclass_fields__}
