"""
Write the dataclasses of the client library, `rkd_client/v1`, from the protos and their comments.

`python tests/value_types.py FOLDER` writes them below FOLDER; `tests/regenerate` calls it. Every
message but the requests becomes a frozen dataclass of the same name: a Duration `x` is `x_s` in
seconds, a Timestamp a datetime, an enum one of its words, what may be absent is None.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator
from importlib import resources
from pathlib import Path

from google.protobuf.descriptor_pb2 import (
    DescriptorProto,
    EnumDescriptorProto,
    FieldDescriptorProto,
    FileDescriptorProto,
    FileDescriptorSet,
)
from grpc_tools import protoc

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = "rkd.v1"
DURATION, TIMESTAMP = ".google.protobuf.Duration", ".google.protobuf.Timestamp"
_FIELD = FieldDescriptorProto
PLAIN = {
    _FIELD.TYPE_STRING: ("str", '""'),
    _FIELD.TYPE_BOOL: ("bool", "False"),
    _FIELD.TYPE_BYTES: ("bytes", 'b""'),
    _FIELD.TYPE_DOUBLE: ("float", "0.0"),
    _FIELD.TYPE_FLOAT: ("float", "0.0"),
}
"""Type and default of scalars; every other one is an int."""

Comments = dict[tuple[int, ...], str]


def described() -> list[FileDescriptorProto]:
    """Return the files of the package, with the comments in them."""
    files = sorted((ROOT / "proto" / "rkd" / "v1").glob("*.proto"))
    with tempfile.TemporaryDirectory() as folder:
        made = Path(folder) / "set"
        well_known = str(resources.files("grpc_tools") / "_proto")
        code = protoc.main(
            [
                "protoc",
                f"-I{ROOT / 'proto'}",
                f"-I{well_known}",
                "--include_source_info",
                f"--descriptor_set_out={made}",
                *map(str, files),
            ]
        )
        if code:
            raise SystemExit(code)
        return list(FileDescriptorSet.FromString(made.read_bytes()).file)


class Module:
    """One file of dataclasses in the making; *home* tells in which module each type is."""

    def __init__(self, file: FileDescriptorProto, home: dict[str, str]) -> None:
        self._file = file
        self._name = module_of(file)
        self._home = home
        self._comments: Comments = {
            tuple(place.path): " ".join(place.leading_comments.split())
            for place in file.source_code_info.location
        }
        self._needed: set[str] = set()
        self._times = False

    def text(self) -> str:
        """Return the whole module."""
        classes = [*self._enums(), *self._classes()]
        mapped = any("field(default_factory" in one for one in classes)
        words = any("Literal[" in one for one in classes)
        lines = [
            f'"""Generated from {self._file.name} by tests/value_types.py; never edited."""',
            "",
            "from __future__ import annotations",
            "",
            *(["from collections.abc import Mapping"] if mapped else []),
            f"from dataclasses import dataclass{', field' if mapped else ''}",
            *(["from datetime import datetime"] if self._times else []),
            *(["from typing import Literal"] if words else []),
            *([""] if self._needed else []),
            *(f"from rkd_client.v1 import {name}" for name in sorted(self._needed)),
        ]
        return "\n".join(lines) + "\n" + "".join(f"\n\n{one}\n" for one in classes)

    def _enums(self) -> Iterator[str]:
        for number, enum in enumerate(self._file.enum_type):
            words = ", ".join(f'"{word}"' for word in words_of(enum))
            yield f'{enum.name} = Literal[{words}]\n"""{self._comments[5, number]}"""'

    def _classes(self) -> Iterator[str]:
        left = [
            (number, message)
            for number, message in enumerate(self._file.message_type)
            if not message.name.endswith("Request")
        ]
        waiting = {f".{PACKAGE}.{message.name}" for _, message in left}
        while left:  # what a class holds stands before it
            for entry in left:
                number, message = entry
                held = {one.type_name for one in message.field} & waiting
                if not held:
                    break
            else:
                raise SystemExit(f"{self._file.name}: messages that hold each other")
            left.remove(entry)
            waiting.discard(f".{PACKAGE}.{message.name}")
            yield self._class(number, message)

    def _class(self, number: int, message: DescriptorProto) -> str:
        lines = ["@dataclass(frozen=True, slots=True)", f"class {message.name}:"]
        lines.append(f'    """{self._comments[4, number]}"""')
        for place, field in enumerate(message.field):
            kind, default = self._field(message, field)
            name = f"{field.name}_s" if field.type_name == DURATION else field.name
            lines.append("")
            lines.append(f"    {name}: {kind} = {default}")
            lines.append(f'    """{self._comments[4, number, 2, place]}"""')
        return "\n".join(lines)

    def _field(self, message: DescriptorProto, field: FieldDescriptorProto) -> tuple[str, str]:
        entry = mapped(message, field)
        if entry is not None:
            return f"Mapping[str, {self._kind(entry.field[1])[0]}]", "field(default_factory=dict)"
        kind, default = self._kind(field)
        if field.label == _FIELD.LABEL_REPEATED:
            return f"tuple[{kind}, ...]", "()"
        absent = field.HasField("oneof_index") or field.type_name in {DURATION, TIMESTAMP}
        return (f"{kind} | None", "None") if absent else (kind, default)

    def _kind(self, field: FieldDescriptorProto) -> tuple[str, str]:
        if field.type_name == DURATION:
            return "float", "0.0"
        if field.type_name == TIMESTAMP:
            self._times = True
            return "datetime", "None"
        if not field.type_name:
            return PLAIN.get(field.type, ("int", "0"))
        name = field.type_name.rpartition(".")[2]
        home = self._home[field.type_name]
        if home != self._name:
            self._needed.add(home)
            name = f"{home}.{name}"
        return name, '""' if field.type == _FIELD.TYPE_ENUM else f"{name}()"


def module_of(file: FileDescriptorProto) -> str:
    """Return the module a file becomes."""
    return Path(file.name).stem


def words_of(enum: EnumDescriptorProto) -> list[str]:
    """Return the values of *enum* as the library says them; the unspecified one is empty."""
    prefix = enum.value[0].name.removesuffix("UNSPECIFIED")
    return [
        "" if value.number == 0 else value.name.removeprefix(prefix).lower() for value in enum.value
    ]


def mapped(message: DescriptorProto, field: FieldDescriptorProto) -> DescriptorProto | None:
    """Return what a map's entries are, None for a field that is no map."""
    name = field.type_name.rpartition(".")[2]
    found = (one for one in message.nested_type if one.name == name and one.options.map_entry)
    return next(found, None)


def main(target: Path) -> None:
    """Write every module below *target*."""
    files = described()
    home = {
        f".{PACKAGE}.{one.name}": module_of(file)
        for file in files
        for one in (*file.message_type, *file.enum_type)
    }
    folder = target / "clients" / "rkd_client" / "v1"
    folder.mkdir(parents=True, exist_ok=True)
    for file in files:
        (folder / f"{module_of(file)}.py").write_text(Module(file, home).text(), encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
