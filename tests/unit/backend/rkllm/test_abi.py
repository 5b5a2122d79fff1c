"""Our declarations agree with every released header: sizes, offsets and kinds."""

from __future__ import annotations

import ctypes
import enum
import itertools
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from rkd.backend.rkllm.abi import ABIS
from rkd.backend.rkllm.abi_shared import (
    Abi,
    LLMCallState,
    Prototype,
    RKLLMInferMode,
    RKLLMInputType,
)
from rkd.librkllmrt import FAMILIES

TABLE = json.loads(
    (Path(__file__).parents[3] / "data" / "rkllm_abi.json").read_text(encoding="utf-8")
)
ENUMS: dict[str, type[enum.IntEnum]] = {
    "LLMCallState": LLMCallState,
    "RKLLMInputType": RKLLMInputType,
    "RKLLMInferMode": RKLLMInferMode,
}
SIMPLE = {
    "int": "i4",
    "int8_t": "i1",
    "int32_t": "i4",
    "uint8_t": "u1",
    "uint32_t": "u4",
    "uint64_t": "u8",
    "size_t": "u8",
    "float": "f4",
    "bool": "b1",
    "char": "c1",
    "void": "void",
    "LLMHandle": "void*",
}
SIMPLE_CTYPES: dict[Any, str] = {
    None: "void",
    ctypes.c_char_p: "c1*",
    ctypes.c_void_p: "void*",
    ctypes.c_bool: "b1",
    ctypes.c_float: "f4",
    ctypes.c_int8: "i1",
    ctypes.c_int32: "i4",
    ctypes.c_int64: "i8",
    ctypes.c_uint8: "u1",
    ctypes.c_uint32: "u4",
    ctypes.c_uint64: "u8",
}


def kind_of_c(text: str, typedefs: Mapping[str, str]) -> str:
    """The kind a C spelling stands for: `f4`, `c1*`, `u1[104]`, `struct X`, `fn(…)`."""
    text = text.removesuffix(" (union)").replace("const ", "").strip()
    simple = {**SIMPLE, **dict.fromkeys(ENUMS, "i4"), "struct{...}": "struct"}.get(text)
    if simple:
        return simple
    if array := re.fullmatch(r"(.+)\[(\d+)\]", text):
        return f"{kind_of_c(array[1], typedefs)}[{array[2]}]"
    if function := re.fullmatch(r"(.+)\(\*\)\((.*)\)", text):
        arguments = ",".join(kind_of_c(part, typedefs) for part in function[2].split(","))
        return f"fn({kind_of_c(function[1], typedefs)};{arguments})"
    if text.endswith("*"):
        return kind_of_c(text[:-1], typedefs) + "*"
    if text in typedefs:
        return kind_of_c(typedefs[text], typedefs)
    return f"struct {text.replace('MultiModel', 'MultiModal')}"


def kind_of(kind: Any) -> str:
    """The kind a ctypes type stands for, in the same words."""
    if kind in SIMPLE_CTYPES:
        return SIMPLE_CTYPES[kind]
    if issubclass(kind, ctypes._CFuncPtr):
        arguments = ",".join(kind_of(argument) for argument in kind._argtypes_)
        return f"fn({kind_of(kind._restype_)};{arguments})"
    if issubclass(kind, ctypes.Array):
        return f"{kind_of(kind._type_)}[{kind._length_}]"
    if issubclass(kind, ctypes._Pointer):
        return kind_of(kind._type_) + "*"
    name = kind.__name__.split("_")[0].replace("MultiModel", "MultiModal")
    return f"struct {name}" if name else "struct"


def flattened(struct: Any, prefix: str = "", base: int = 0) -> Iterator[tuple[str, str, int, int]]:
    """(name, kind, offset, size) of every field, into anonymous unions and structures."""
    for name, kind in struct._fields_:
        field = getattr(struct, name)
        if issubclass(kind, ctypes.Union):
            yield from flattened(kind, prefix, base + field.offset)
            continue
        yield prefix + name, kind_of(kind), base + field.offset, field.size
        if kind_of(kind) == "struct":
            yield from flattened(kind, f"{prefix}{name}.", base + field.offset)


def differences(abi: Abi, header: Mapping[str, Any]) -> list[str]:
    """Everything in which *abi* is not what *header* says."""
    found: list[str] = []
    typedefs = header["typedefs"]
    ours = {name.replace("MultiModel", "MultiModal"): kind for name, kind in abi.structs.items()}
    theirs = {
        name.replace("MultiModel", "MultiModal"): facts for name, facts in header["structs"].items()
    }
    if ours.keys() != theirs.keys():
        found.append(f"structs: {ours.keys() ^ theirs.keys()}")
    for name, facts in theirs.items():
        struct = ours[name]
        if ctypes.sizeof(struct) != facts["size"]:
            found.append(f"{name}: {ctypes.sizeof(struct)} bytes, not {facts['size']}")
        expected = [
            (field, kind_of_c(kind, typedefs), offset, size)
            for field, kind, offset, size in facts["fields"]
        ]
        found += [
            f"{name}: {have} is not {want}"
            for have, want in itertools.zip_longest(flattened(struct), expected)
            if have != want
        ]
    for name, text in typedefs.items():
        if name != "LLMHandle" and kind_of(abi.callbacks[name]) != kind_of_c(text, typedefs):
            found.append(f"{name}: {kind_of(abi.callbacks[name])}")
    return found + list(function_differences(abi, header))


def function_differences(abi: Abi, header: Mapping[str, Any]) -> Iterator[str]:
    """Functions missing, added, or of another prototype."""
    if abi.functions.keys() != header["functions"].keys():
        yield f"functions: {abi.functions.keys() ^ header['functions'].keys()}"
    for name, facts in header["functions"].items():
        ours = abi.functions[name]
        have = [kind_of(ours.restype), *map(kind_of, ours.argtypes)]
        spelled = [facts["returns"], *(kind for _, kind in facts["args"])]
        want = [kind_of_c(kind, header["typedefs"]) for kind in spelled]
        if have != want:
            yield f"{name}: {have} is not {want}"


@pytest.mark.parametrize("version", FAMILIES)
def test_declarations_agree_with_the_header(version: str) -> None:
    """Every structure, callback and function of every supported version is as measured."""
    assert differences(ABIS[FAMILIES[version]], TABLE[version]) == []


@pytest.mark.parametrize("version", FAMILIES)
def test_enumerations_agree_with_the_header(version: str) -> None:
    """Every named value is the header's."""
    for name, values in TABLE[version]["enums"].items():
        for member, value in values.items():
            assert ENUMS[name][member] == value


def mutations() -> Iterator[tuple[str, str, int]]:
    """Every field of every structure of the newest and the most used version."""
    for version in ("1.2.3", "1.3.1"):
        for name, struct in ABIS[FAMILIES[version]].structs.items():
            for index in range(len(struct._fields_)):
                yield version, name, index


OTHER_KIND: dict[Any, Any] = {
    ctypes.c_int32: ctypes.c_float,
    ctypes.c_float: ctypes.c_int32,
    ctypes.c_char_p: ctypes.c_void_p,
    ctypes.c_size_t: ctypes.c_int64,
    ctypes.c_bool: ctypes.c_uint8,
    ctypes.c_int8: ctypes.c_uint8,
    ctypes.c_uint8: ctypes.c_int8,
    ctypes.c_uint32: ctypes.c_int32,
}


def words_like(kind: Any) -> Any:
    """Plain words of the size and alignment of *kind*."""
    size, alignment = ctypes.sizeof(kind), ctypes.alignment(kind)
    word = {1: ctypes.c_int8, 4: ctypes.c_int32, 8: ctypes.c_int64}[alignment]
    return word * (size // alignment)


def mutated(abi: Abi, name: str, index: int) -> Abi:
    """*abi* with field *index* of *name* of the same size and another kind."""
    struct = abi.structs[name]
    fields: list[tuple[str, Any]] = [(field[0], field[1]) for field in struct._fields_]
    field, kind = fields[index]
    other = OTHER_KIND.get(kind) or words_like(kind)
    fields[index] = (field, other)
    changed = type(name, (ctypes.Structure,), {"_fields_": fields})
    return replace(abi, structs={**abi.structs, name: changed})


@pytest.mark.parametrize(("version", "name", "index"), list(mutations()))
def test_one_changed_kind_is_caught(version: str, name: str, index: int) -> None:
    """A field of the right size and offset but another kind is a difference: `top_k` as float."""
    changed = mutated(ABIS[FAMILIES[version]], name, index)

    assert ctypes.sizeof(changed.structs[name]) == ctypes.sizeof(
        ABIS[FAMILIES[version]].structs[name]
    )
    assert differences(changed, TABLE[version]) != []


def test_moved_and_missing_fields_are_caught() -> None:
    """Two fields exchanged, or one left out, is a difference too."""
    abi = ABIS[FAMILIES["1.3.0"]]
    fields = list(abi.structs["RKLLMParam"]._fields_)
    fields[3], fields[4] = fields[4], fields[3]
    moved = type("RKLLMParam", (ctypes.Structure,), {"_fields_": fields})

    assert differences(replace(abi, structs={**abi.structs, "RKLLMParam": moved}), TABLE["1.3.0"])


def test_a_changed_prototype_is_caught() -> None:
    """An argument of another type, or a function left out, is a difference."""
    abi = ABIS[FAMILIES["1.3.0"]]
    init = abi.functions["rkllm_init"]
    older = ABIS[FAMILIES["1.2.3"]].callbacks["LLMResultCallback"]
    wrong = Prototype(init.restype, (*init.argtypes[:2], older))

    assert differences(
        replace(abi, functions={**abi.functions, "rkllm_init": wrong}), TABLE["1.3.0"]
    )


def test_families_are_told_apart() -> None:
    """The declarations of one family do not pass for another's."""
    assert all(
        (differences_or_error(ABIS[ours], version) == []) == (ours is theirs)
        for version, theirs in FAMILIES.items()
        for ours in ABIS
    )


def differences_or_error(abi: Abi, version: str) -> list[str]:
    """The differences, or the one that there are not even the same structures."""
    try:
        return differences(abi, TABLE[version])
    except KeyError as error:
        return [str(error)]
