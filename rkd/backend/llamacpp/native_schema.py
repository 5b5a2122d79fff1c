"""
Which schemas a native llama-server's own converter keeps; it passes over the rest in silence. Pure.

**Source**: `SchemaConverter::visit` in `common/json-schema-to-grammar.cpp` of llama.cpp b11549. It
decides by the first word it knows, and beside that reads only what stands here.
"""

from __future__ import annotations

from typing import Any

_LARGEST = 2**62
"""Of a bound: it is read as 64 bits, and one more or less is added to those that are open."""

_ALONE = ("$ref", "anyOf", "const", "enum")
"""The words that decide alone, in its order."""
_BESIDE: dict[str, tuple[frozenset[str], ...]] = {
    "object": (frozenset({"properties", "required", "additionalProperties"}),),
    "array": (frozenset({"items", "minItems", "maxItems"}), frozenset({"prefixItems"})),
    "string": (frozenset({"minLength", "maxLength"}), frozenset({"pattern"})),
    "integer": (frozenset({"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"}),),
    "number": (),
    "boolean": (),
    "null": (),
}


def refuses(schema: dict[str, Any]) -> str:
    """Say what the converter would pass over in *schema*, or ""."""
    open_: list[Any] = [schema, *schema.get("$defs", {}).values()]
    while open_:
        node = open_.pop()
        if not isinstance(node, dict):
            continue
        if word := _passed_over(node):
            return f"`{word}` is not supported here by a native llama-server"
        for name in ("properties", "anyOf", "prefixItems"):
            inner = node.get(name, ())
            open_ += inner.values() if isinstance(inner, dict) else inner
        open_ += [node.get("items"), node.get("additionalProperties")]
    return ""


def _passed_over(node: dict[str, Any]) -> str:
    """The first word of *node* that it does not heed."""
    words = node.keys() - {"$defs"}
    for name in _ALONE:
        if name in words:
            rest = words - {name} - ({"type"} if name in ("const", "enum") else set())
            return min(rest, default="")
    kind = node.get("type")
    if not isinstance(kind, str):
        return min(words - {"type"}, default="")
    beside = words - {"type"}
    if word := _half_read(kind, node):
        return word
    if any(beside <= allowed for allowed in _BESIDE[kind]):
        unnamed = set(node.get("required", ())) - node.get("properties", {}).keys()
        return "required" if unnamed else ""
    return min(beside, default="")


def _half_read(kind: str, node: dict[str, Any]) -> str:
    """The first word of *node* that it heeds only in company, alone, or as a small whole number."""
    if kind == "array" and not isinstance(node.get("items"), dict):
        return min(node.keys() & {"minItems", "maxItems"}, default="")
    if kind != "integer":
        return ""
    for closed, open_ in (("minimum", "exclusiveMinimum"), ("maximum", "exclusiveMaximum")):
        if {closed, open_} <= node.keys():
            return open_
        for word in (closed, open_):
            bound = node.get(word, 0)
            if not isinstance(bound, int) or isinstance(bound, bool) or abs(bound) > _LARGEST:
                return word
    return ""
