"""
The words of JSON Schema: which an engine's grammar keeps as they are, and what each must hold.

Where a word says nothing (`uniqueItems: false`), or what another word says as well, it is left
out; one that no grammar keeps is refused. Words of no draft are notes, as the specification has it.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

Node = dict[str, Any]

TYPES = ("null", "boolean", "integer", "number", "string", "array", "object")
BOUNDS = (
    ("minLength", "maxLength"),
    ("minItems", "maxItems"),
    ("minProperties", "maxProperties"),
    ("minimum", "maximum"),
)
MAX_COUNT = 100_000
"""Of characters, items or properties; the engine counts up to them. Measured (llama.cpp b11549):
`maxItems` 1,000,000 takes 11 s and then the worker's memory, SIGABRT."""


def _is_number(value: object) -> bool:
    if isinstance(value, float):
        return math.isfinite(value)  # JSON has no NaN, and 1e999 is no number
    return isinstance(value, int) and not isinstance(value, bool)


def _is_count(value: object) -> bool:
    return _is_number(value) and value == int(value) and 0 <= value <= MAX_COUNT  # type: ignore[call-overload,operator]


def _are_types(value: object) -> bool:
    listed = value if isinstance(value, list) else [value]
    return bool(listed) and all(one in TYPES for one in listed)


def _are_names(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(one, str) for one in value)


COUNT = (_is_count, f"should be a count up to {MAX_COUNT}")
NUMBER = (_is_number, "should be a number")
KEPT: dict[str, tuple[Callable[[object], bool], str]] = {
    "type": (_are_types, f"should be of {', '.join(TYPES)}"),
    "enum": (lambda value: isinstance(value, list) and bool(value), "should list values"),
    "const": (lambda _value: True, ""),
    "required": (_are_names, "should list names"),
    "minLength": COUNT,
    "maxLength": COUNT,
    "minItems": COUNT,
    "maxItems": COUNT,
    "minProperties": COUNT,
    "maxProperties": COUNT,
    "minimum": NUMBER,
    "maximum": NUMBER,
    "exclusiveMinimum": NUMBER,
    "exclusiveMaximum": NUMBER,
    "multipleOf": (lambda value: _is_number(value) and value > 0, "should be a number above 0"),  # type: ignore[operator]
}
"""Copied, each with what its value must be."""

SCHEMAS_BY_NAME = ("properties", "patternProperties")
SCHEMA_LISTS = ("anyOf", "allOf", "prefixItems")
SCHEMAS = ("items", "additionalProperties")

_COMPOUND = frozenset(
    {"$ref", "allOf", "anyOf", "oneOf", "if", "dependentSchemas", "$dynamicRef", "not"}
)
"""What may bring properties or items of its own to a value."""


def asserts_nothing(name: str, node: Node) -> bool | None:
    """
    Whether the word *name* of *node*, which no grammar keeps, forbids nothing here.

    None for a word of no draft.
    """
    judge = _UNKEPT.get(name)
    return None if judge is None else judge(node[name], node)


def closes(name: str, node: Node) -> bool:
    """Whether `unevaluated…: false` says here what `additional…: false` would."""
    return node[name] is False and not _COMPOUND & node.keys()


def _alone_if(_value: object, node: Node) -> bool:
    return "if" not in node or not ({"then", "else"} & node.keys())


def _already_required(value: object, node: Node) -> bool:
    required = node.get("required", [])
    return isinstance(value, dict) and all(
        isinstance(names, list) and all(one in required for one in names)
        for names in value.values()
    )


def _few_items(value: object, node: Node) -> bool:
    most = node.get("maxItems")
    return value is False or (_is_number(most) and most <= 1)  # type: ignore[operator]


_UNKEPT: dict[str, Callable[[object, Node], bool]] = {
    "not": lambda value, _node: value is False,
    "if": _alone_if,
    "then": _alone_if,
    "else": _alone_if,
    "contains": lambda _value, node: node.get("minContains") == 0 and "maxContains" not in node,
    "minContains": lambda value, node: "contains" not in node or value == 0,
    "maxContains": lambda _value, node: "contains" not in node,
    "uniqueItems": _few_items,
    "dependentRequired": _already_required,
    "dependentSchemas": lambda value, _node: value == {},
    "dependencies": _already_required,
    "propertyNames": lambda value, _node: value in (True, {}, {"type": "string"}),
    "unevaluatedProperties": lambda value, _node: value in (True, {}),
    "unevaluatedItems": lambda value, _node: value in (True, {}),
    "$dynamicRef": lambda _value, _node: False,
    "$recursiveRef": lambda _value, _node: False,
    "extends": lambda _value, _node: False,
    "disallow": lambda _value, _node: False,
    "divisibleBy": lambda _value, _node: False,
}
