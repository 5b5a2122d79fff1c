"""C declarations as text, made into ctypes; each follows what it is made of."""

from __future__ import annotations

import ctypes
from collections.abc import Mapping
from typing import Any

from rkd.backend.rkllm.abi_shared import Prototype

_SIMPLE: dict[str, Any] = {
    "void": None,
    "void*": ctypes.c_void_p,
    "LLMHandle": ctypes.c_void_p,
    "char*": ctypes.c_char_p,
    "bool": ctypes.c_bool,
    "float": ctypes.c_float,
    "int": ctypes.c_int,
    "size_t": ctypes.c_size_t,
    "int8_t": ctypes.c_int8,
    "int32_t": ctypes.c_int32,
    "uint8_t": ctypes.c_uint8,
    "uint32_t": ctypes.c_uint32,
    "uint64_t": ctypes.c_uint64,
}


class Declared:
    """
    The declarations of one header, each made when it is first asked for.

    Args:
        texts: by name, the members of a structure (`int32_t a, b; float* c; uint8_t d[4];`) or
            the type of a function (`int(LLMHandle, void*)`). A member of the type `union X` has
            the members of X, and no name.
    """

    def __init__(self, texts: Mapping[str, str]) -> None:
        self._texts = texts
        self._made: dict[str, Any] = {}

    def named(self, name: str) -> Any:
        """Return the structure, or the type of callback, called *name*."""
        if name not in self._made:
            is_function = "(" in self._texts[name]
            self._made[name] = (
                self._callback(name) if is_function else self._structure(name, ctypes.Structure)
            )
        return self._made[name]

    def prototype(self, name: str) -> Prototype:
        """Return the types of the function *name*."""
        result, _, arguments = self._texts[name].removesuffix(")").partition("(")
        given = arguments.split(", ") if arguments else ()
        return Prototype(self._type(result), tuple(map(self._type, given)))

    def _callback(self, name: str) -> Any:
        called = self.prototype(name)
        return ctypes.CFUNCTYPE(called.restype, *called.argtypes)

    def _structure(self, name: str, base: type) -> Any:
        fields = []
        anonymous = []
        for member in self._texts[name].strip().removesuffix(";").split(";"):
            kind, _, names = member.strip().partition(" ")
            if kind == "union":
                anonymous.append(names)
                fields.append((names, self._structure(names, ctypes.Union)))
                continue
            for one in names.split(", "):
                plain, is_array, length = one.removesuffix("]").partition("[")
                made = self._type(kind)
                fields.append((plain, made * int(length) if is_array else made))
        return type(name, (base,), {"_anonymous_": tuple(anonymous), "_fields_": tuple(fields)})

    def _type(self, text: str) -> Any:
        if text in _SIMPLE:
            return _SIMPLE[text]
        if text.endswith("*"):
            return ctypes.POINTER(self._type(text.removesuffix("*")))
        return self.named(text)
