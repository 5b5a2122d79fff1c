"""
Which schemas a native llama-server's own converter keeps; it passes over the rest in silence. Pure.

**Source**: `SchemaConverter::visit` in `common/json-schema-to-grammar.cpp` of llama.cpp b11549. It
decides by the first word it knows, and beside that reads only what stands here.
"""

from __future__ import annotations

from typing import Any

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
    if any(beside <= allowed for allowed in _BESIDE[kind]):
        unnamed = set(node.get("required", ())) - node.get("properties", {}).keys()
        return "required" if unnamed else ""
    return min(beside, default="")
