"""Requests of every method there is, made from their descriptors: good values, odd, and huge."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from random import Random
from typing import Any

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from grpc_health.v1 import health_pb2
from grpc_reflection.v1alpha import reflection_pb2

from rkd.v1 import hub_pb2, inference_pb2, models_pb2, operations_pb2, pool_pb2, system_pb2

PROTOS = (
    *(hub_pb2, inference_pb2, models_pb2, operations_pb2, pool_pb2, system_pb2),
    *(health_pb2, reflection_pb2),
)

NAMES = ("alpha", "ALPHA", "beta", "x", "", "tiny:latest", "a:b", "../x", "." * 3, "a" * 300)
TEXTS = (
    *(*NAMES, "hf.co/u/r:Q4_K_M", "u/r", "https://x", "é\u202e\x00", "FROM alpha", "FROM ./a.gguf"),
    *("FROM alpha\nPARAMETER top_k 3\nSYSTEM x", "{{ .System }}", "user", "assistant", "tool"),
    *("system", "{}", '{"type": "object"}', "[" * 5000, '{"a":' * 500, '"\\ud83d"', "root ::= [a]"),
    *("(" * 5000, "Q4_K_M", "model", "resident", "a.gguf", "sha256:" + "0" * 64, "/etc/passwd"),
    *("x" * 70_000, "pull-00000000", "CiQ=", "\N{GRINNING FACE}" * 300),
)
NUMBERS = (0, 1, -1, 2, 63, 64, 512, 2**20, 2**31 - 1, -(2**31), 2**63 - 1, -(2**63), 2**64 - 1)
FLOATS = (0.0, 1.0, -1.0, 0.5, 2.5, 1e308, -1e308, 5e-324, math.nan, math.inf, -math.inf)
SECONDS = (0, 1, -1, 30, 10**9, 315_576_000_000, 10**12, 2**62, -(2**63))
MANY = 3000
MOST_BYTES = 8 << 20
"""Less than gRPC itself refuses, without a reason of ours."""


@dataclass(frozen=True, slots=True)
class Method:
    """One method: its path, what it takes, and whether it streams."""

    path: str
    takes: Descriptor
    streams_requests: bool


def methods() -> tuple[Method, ...]:
    """Return every method of every service the daemon has."""
    return tuple(
        Method(f"/{service.full_name}/{method.name}", method.input_type, method.client_streaming)
        for proto in PROTOS
        for service in proto.DESCRIPTOR.services_by_name.values()
        for method in service.methods
    )


def make(random: Random, kind: Descriptor, depth: int = 0) -> Message:
    """Make a message of *kind*: most fields unset or good, some not."""
    made = GetMessageClass(kind)()
    often = random.choice((0.15, 0.5, 0.9))
    for field in kind.fields:
        if random.random() < often and depth < 5:
            _set(random, made, field, depth)
    return made


def _set(random: Random, made: Any, field: FieldDescriptor, depth: int) -> None:
    if field.message_type is not None and field.message_type.GetOptions().map_entry:
        for _ in range(random.choice((1, 2, 40))):
            entry = field.message_type.fields_by_name
            target, key = getattr(made, field.name), _value(random, entry["key"])
            if entry["value"].message_type is None:
                target[key] = _value(random, entry["value"])
            else:
                target[key].CopyFrom(make(random, entry["value"].message_type, depth + 1))
        return
    count = random.choice((1, 1, 2, 5, MANY)) if field.is_repeated else 1
    if field.message_type is not None:
        for _ in range(min(count, 3) if depth else count):
            inner = _span(random, field) or make(random, field.message_type, depth + 1)
            target = getattr(made, field.name)
            target.add().CopyFrom(inner) if field.is_repeated else target.CopyFrom(inner)
    elif field.is_repeated:
        text = field.type in {field.TYPE_STRING, field.TYPE_BYTES}
        getattr(made, field.name).extend(
            _value(random, field) for _ in range(min(count, 30) if text else count)
        )
    else:
        setattr(made, field.name, _value(random, field))


SPANS = ("google.protobuf.Duration", "google.protobuf.Timestamp")


def _span(random: Random, field: FieldDescriptor) -> Message | None:
    kind = field.message_type
    if kind is None or kind.full_name not in SPANS:
        return None
    made: Any = GetMessageClass(kind)()
    made.seconds = random.choice(SECONDS)
    made.nanos = random.choice((0, 0, 1, -1, 10**9, -(2**31)))
    return made  # type: ignore[no-any-return]


def _value(random: Random, field: FieldDescriptor) -> Any:
    kind = field.cpp_type
    if field.type == field.TYPE_BYTES:
        return random.choice((b"", b"x" * 1000, b"\xff" * 5))
    if kind == field.CPPTYPE_STRING:
        return random.choice(NAMES if "model" in field.name else TEXTS)
    if kind == field.CPPTYPE_BOOL:
        return random.random() < 0.5
    if kind == field.CPPTYPE_ENUM:
        return random.choice((*field.enum_type.values_by_number, 77, -1, 2**31 - 1))
    if kind in {field.CPPTYPE_DOUBLE, field.CPPTYPE_FLOAT}:
        return random.choice(FLOATS)
    return _fitting(random.choice(NUMBERS), field)


def _fitting(number: int, field: FieldDescriptor) -> int:
    bits = 32 if field.cpp_type in {field.CPPTYPE_INT32, field.CPPTYPE_UINT32} else 64
    signed = field.cpp_type in {field.CPPTYPE_INT32, field.CPPTYPE_INT64}
    low, high = (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if signed else (0, 2**bits - 1)
    return max(low, min(number, high))


def cases(method: Method) -> Callable[[Random], bytes]:
    """Return what builds a case for *method*, as `read` takes it apart."""

    def build(random: Random) -> bytes:
        case = written(method, make(random, method.takes))
        return case if len(case) < MOST_BYTES else case[:MOST_BYTES]

    return build


def written(method: Method, message: Message) -> bytes:
    """Write a case down: the path, a line's end, the message."""
    return f"{method.path}\n".encode() + message.SerializeToString()


def read(case: bytes) -> tuple[str, bytes]:
    """Take a case apart; a path that no header can carry stands for none."""
    head, _, body = case.partition(b"\n")
    path = head.decode("latin-1")
    usable = path.startswith("/") and path.isascii() and path.isprintable() and len(path) < 1000
    return (path if usable else "/none"), body


def examples() -> Iterator[bytes]:
    """Yield an empty request of every method."""
    for method in methods():
        yield written(method, GetMessageClass(method.takes)())
