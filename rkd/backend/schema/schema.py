"""
A caller's JSON Schema written as the engine's grammar keeps it: never wider than it was; pure.

Notes are left out, words of older drafts written as today's (2020-12), every `$ref` leads to a
definition of its own. What cannot be kept is refused by its place. Depth and size were bounded
where the text was read (`rkd.bounds`); every place is written once, and once more for each `$ref`
that leads to it or around it.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any
from urllib.parse import unquote

from rkd.backend.schema.disjoint import all_disjoint
from rkd.backend.schema.keywords import (
    BOUNDS,
    KEPT,
    SCHEMA_LISTS,
    SCHEMAS,
    SCHEMAS_BY_NAME,
    Node,
    asserts_nothing,
    closes,
)
from rkd.backend.schema.narrowed import narrowed
from rkd.backend.schema.patterns import UnkeptFormatError, ascii_pattern, written_format
from rkd.backend.schema.refusal import beyond, step, wrong
from rkd.outside import QUOTED_CHARACTERS, quoted

_PYTHONS: dict[str, type | tuple[type, ...]] = {
    "null": type(None),
    "integer": int,
    "number": (int, float),
    "string": str,
    "array": list,
    "object": dict,
}

Refuses = Callable[[Node], str]
"""Says why an engine cannot compile a schema, or ""."""

MAX_REFS = 1000
"""Places that `$ref`s lead to."""
MAX_BLAMED = 200
"""Places asked for one by one which of them the engine refuses."""
_BEYOND = ("nimplemented", "not supported", "only supported", "not disjoint", "too ", "limit")
"""The engine's words for what is right and beyond it."""


def written(root: Node, refuses: Refuses) -> Node:
    """
    Write *root* for the engine whose compiler is *refuses*.

    Raises:
        InvalidInputError: INVALID_FIELD, it is no schema or nothing can be an answer to it.
        PreconditionError: CAPABILITY_UNSUPPORTED, an answer to it cannot be held to it.
    """
    writer = _Writer(root)
    made = writer.write()
    said = refuses(made)
    if said:
        path = writer.blamed(said, refuses)
        refusal = beyond if any(word in said for word in _BEYOND) else wrong
        raise refusal(path, f"{said.rpartition('error: ')[2][:QUOTED_CHARACTERS]}.")
    return made


class _Writer:
    """Writes one schema."""

    def __init__(self, root: Node) -> None:
        self._root = root
        self._names: dict[str, str] = {}
        self._defs: Node = {}
        self._places: list[tuple[str, Node]] = []
        self._addresses = _addresses(root)
        self._address = str(root.get("$id", root.get("id", ""))).rstrip("#")
        self._writers: dict[str, Callable[[Node, str, object, str], None]] = {
            **dict.fromkeys(KEPT, self._kept),
            **dict.fromkeys(SCHEMAS_BY_NAME, self._by_name),
            **dict.fromkeys(SCHEMA_LISTS, self._several),
            **dict.fromkeys(SCHEMAS, self._inner),
            "oneOf": self._one_of,
            "$ref": self._reference,
            "pattern": self._pattern,
            "format": self._format,
        }

    def write(self) -> Node:
        body = self._schema(self._root, "#")
        for pointer, name in _growing(self._names):
            self._check_progress(pointer)
            self._defs[name] = self._schema(self._at(pointer, pointer), pointer)
        return {**body, "$defs": self._defs} if self._defs else body

    def blamed(self, said: str, refuses: Refuses) -> str:
        """The innermost place of which the engine says the same, else the whole."""
        for path, place in self._places[:MAX_BLAMED]:
            if refuses({**place, "$defs": self._defs}) == said:
                return path
        return "#"

    def _schema(self, node: object, path: str) -> Any:
        if isinstance(node, bool):
            return node
        if not isinstance(node, dict):
            raise wrong(path, "should be a schema: an object, true or false")
        out: Node = {}
        left = narrowed(_today(node), self._followed)
        if isinstance(left, bool):
            return left
        node = left
        for name, value in node.items():
            self._word(out, name, value, node, step(path, name))
        _check_bounds(out, path)
        _fit_values(out, path)
        self._count_properties(out, path)
        self._places.append((path, out))
        return out

    def _word(self, out: Node, name: str, value: object, node: Node, path: str) -> None:
        """Write the word *name* of *node* into *out*."""
        write = self._writers.get(name)
        if write is not None:
            write(out, name, value, path)
        elif name in ("unevaluatedProperties", "unevaluatedItems") and closes(name, node):
            out.setdefault("items" if name == "unevaluatedItems" else "additionalProperties", False)
        elif asserts_nothing(name, node) is False:
            raise beyond(path, f"no grammar can hold an answer to `{name}`")

    def _kept(self, out: Node, name: str, value: object, path: str) -> None:
        fits, should = KEPT[name]
        if not fits(value):
            raise wrong(path, should)
        out[name] = value

    def _by_name(self, out: Node, name: str, value: object, path: str) -> None:
        if not isinstance(value, dict):
            raise wrong(path, "should be an object of schemas")
        write = ascii_pattern if name == "patternProperties" else str
        out[name] = {
            write(one): self._schema(inner, step(path, one)) for one, inner in value.items()
        }

    def _inner(self, out: Node, name: str, value: object, path: str) -> None:
        out[name] = self._schema(value, path)

    def _several(self, out: Node, name: str, value: object, path: str) -> None:
        _conjoin(out, name, self._list(value, path))

    def _reference(self, out: Node, name: str, value: object, path: str) -> None:
        out[name] = f"#/$defs/{self._name(value, path)}"

    def _list(self, value: object, path: str) -> list[Any]:
        if not isinstance(value, list) or not value:
            raise wrong(path, "should list schemas")
        return [self._schema(one, step(path, at)) for at, one in enumerate(value)]

    def _one_of(self, out: Node, _name: str, value: object, path: str) -> None:
        made = self._list(value, path)
        assert isinstance(value, list)  # noqa: S101 - `_list` refused others
        if not all_disjoint(value, self._followed):
            raise beyond(path, "an answer could be two of these at once; say anyOf")
        _conjoin(out, "anyOf", made)

    def _pattern(self, out: Node, _name: str, value: object, path: str) -> None:
        if not isinstance(value, str):
            raise wrong(path, "should be a regular expression")
        _conjoin(out, "pattern", ascii_pattern(value))

    def _format(self, out: Node, _name: str, value: object, path: str) -> None:
        if not isinstance(value, str):
            raise wrong(path, "should be a name")
        try:
            found = written_format(value)
        except UnkeptFormatError as error:
            raise beyond(path, f"no grammar can hold an answer to {quoted(value)}") from error
        if found is not None:
            _conjoin(out, *found)

    def _count_properties(self, out: Node, path: str) -> None:
        """Settle how many properties there are, where the engine would count one name twice."""
        least = int(out.get("minProperties", 0))
        if least and least <= len(set(out.get("required", ()))):
            del out["minProperties"]
        elif least > 1:
            raise beyond(
                step(path, "minProperties"), "the engine may count one name twice; name them"
            )

    # References

    def _name(self, value: object, path: str) -> str:
        """The definition a `$ref` leads to; it is written later."""
        pointer = self._pointer(value, path)
        self._at(pointer, path)
        if pointer not in self._names:
            if len(self._names) == MAX_REFS:
                raise beyond(path, f"more than {MAX_REFS} places are referred to")
            self._names[pointer] = f"r{len(self._names)}"
        return self._names[pointer]

    def _pointer(self, value: object, path: str) -> str:
        if not isinstance(value, str):
            raise wrong(path, "should be a reference such as `#/$defs/name`")
        if self._address and value.startswith(f"{self._address}#"):
            value = value[len(self._address) :]
        pointer = unquote(value)
        pointer = self._addresses.get(pointer, pointer)
        if pointer not in ("#", "#/") and not pointer.startswith("#/"):
            raise wrong(path, f"{quoted(value)} leads out of this schema; put it into `$defs`")
        return "#" if pointer == "#/" else pointer

    def _at(self, pointer: str, path: str) -> Any:
        """What stands at *pointer*."""
        found: Any = self._root
        for part in pointer.split("/")[1:]:
            name = part.replace("~1", "/").replace("~0", "~")
            if isinstance(found, dict) and name in found:
                found = found[name]
            elif isinstance(found, list) and name.isdecimal() and int(name[:9]) < len(found):
                found = found[int(name)]
            else:
                raise wrong(path, f"{quoted(pointer)} is nowhere in this schema")
        return found

    def _followed(self, node: Any) -> Any:
        """*node* with a `$ref` that is all of it followed, a few times."""
        for _ in range(8):
            if not isinstance(node, dict) or not isinstance(node.get("$ref"), str):
                return node
            if node.keys() & (KEPT.keys() | set(SCHEMA_LISTS) | set(SCHEMAS_BY_NAME)):
                return node
            node = self._at(self._pointer(node["$ref"], "#"), "#")
        return node

    def _check_progress(self, start: str) -> None:
        """Refuse a `$ref` that comes back to itself before there is a value inside a value."""
        seen, open_ = set[str](), [self._at(start, start)]
        while open_:
            node = open_.pop()
            if not isinstance(node, dict):
                continue
            for name in ("allOf", "anyOf", "oneOf"):
                open_ += node[name] if isinstance(node.get(name), list) else []
            if isinstance(node.get("$ref"), str):
                pointer = self._pointer(node["$ref"], start)
                if pointer == start:
                    raise wrong(start, "refers to itself before there is anything inside it")
                if pointer not in seen:
                    seen.add(pointer)
                    open_.append(self._at(pointer, start))


def _addresses(root: Node) -> dict[str, str]:
    """The places in *root* that have an address of their own: `$id` or `$anchor`."""
    found: dict[str, str] = {}
    open_: list[tuple[str, Any]] = [(step("#", name), one) for name, one in root.items()]
    while open_:
        path, node = open_.pop()
        if isinstance(node, list):
            open_ += [(step(path, at), one) for at, one in enumerate(node)]
        if not isinstance(node, dict):
            continue
        for word, prefix in (("$id", ""), ("$anchor", "#")):
            if isinstance(node.get(word), str):
                found.setdefault(prefix + node[word], path)
        open_ += [(step(path, name), one) for name, one in node.items()]
    for word, prefix in (("$id", ""), ("$anchor", "#")):
        if isinstance(root.get(word), str) and root[word]:
            found[prefix + root[word]] = "#"
    return found


def _growing(names: dict[str, str]) -> Any:
    """Yield the items of *names*, those added meanwhile too."""
    done = 0
    while done < len(names):
        for item in list(names.items())[done:]:
            done += 1
            yield item


def _conjoin(out: Node, name: str, value: Any) -> None:
    """Demand *value* as well, where *out* may have the word already."""
    if name == "allOf":
        out["allOf"] = out.get("allOf", []) + value
    elif name in out:
        out.setdefault("allOf", []).append({name: value})
    else:
        out[name] = value


def _today(node: Node) -> Node:
    """*node* in the words of 2020-12: tuples and exclusive bounds were written otherwise."""
    node = dict(node)
    for bound, exclusive in (("minimum", "exclusiveMinimum"), ("maximum", "exclusiveMaximum")):
        if isinstance(node.get(exclusive), bool) and node.pop(exclusive) and bound in node:
            node[exclusive] = node.pop(bound)
    if isinstance(node.get("items"), list):
        first = node.pop("items")
        if first:
            node["prefixItems"] = first
        node["items"] = node.pop("additionalItems", True)
    else:
        node.pop("additionalItems", None)
    return node


def _check_bounds(out: Node, path: str) -> None:
    for least, most in BOUNDS:
        if least in out and most in out and out[least] > out[most]:
            what = f"{least} {quoted(out[least])} is above {most} {quoted(out[most])}"
            raise wrong(step(path, least), what)


def _fit_values(out: Node, path: str) -> None:
    """Hold `enum` and bounds to `type`: the engine takes a fraction for no integer."""
    listed = out.get("type")
    kinds = listed if isinstance(listed, list) else [listed]
    if listed is None:
        return
    if "enum" in out:
        out["enum"] = [one for one in out["enum"] if any(_is_of(one, kind) for kind in kinds)]
        if not out["enum"]:
            raise wrong(step(path, "enum"), f"has no value of type {quoted(listed)}")
    if kinds == ["integer"]:
        for name, rounded in (("minimum", math.ceil), ("maximum", math.floor)):
            if isinstance(out.get(name), float) and math.isfinite(out[name]):
                out[name] = rounded(out[name])


def _is_of(value: object, kind: str | None) -> bool:
    """Whether *value* is of the type *kind*."""
    if isinstance(value, bool):
        return kind == "boolean"
    if isinstance(value, float) and kind == "integer":
        return value.is_integer()
    return isinstance(value, _PYTHONS.get(str(kind), ()))
