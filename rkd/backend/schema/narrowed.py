"""
Words that no grammar keeps, said by others that allow less: each answer keeps both; pure.

Names that are listed become properties, names by an expression `patternProperties`; a set of some
few values becomes the list of its subsets; a union whose tag has a default needs the tag.
"""

from __future__ import annotations

from itertools import combinations
from typing import Any

from rkd.backend.schema.disjoint import Resolve, all_disjoint
from rkd.backend.schema.keywords import TYPES, Node
from rkd.backend.schema.patterns import UnkeptFormatError, pattern_of_format

MOST_MEMBERS = 7
"""Values of a set that is written as its subsets: 128 of them."""
MOST_BOUND = 1e15
"""Largest bound of a fraction the engine's compiler takes; measured: 3.4e38 is refused."""
_OF_NAMES = {"type", "pattern", "format", "minLength", "maxLength", "enum", "const"}
_NUMBERS = {"integer", "number"}
_NOTES = {"title", "description", "default", "examples", "deprecated", "$comment"}


def narrowed(node: Node, resolve: Resolve) -> Node | bool:
    """*node* without the words that can be said otherwise; False where nothing is allowed."""
    if "not" in node:
        denied = _denied(node)
        if denied is not None:
            return denied
    for narrow in (_names, _set, _tagged, _bounds):
        node = narrow(node, resolve)
    return node


def _denied(node: Node) -> Node | bool | None:
    """What `not` leaves, where it denies everything or types; None where it is something else."""
    denied = node["not"]
    if denied in (True, {}):
        return False
    if not isinstance(denied, dict) or denied.keys() - _NOTES != {"type"}:
        return None
    listed = denied["type"] if isinstance(denied["type"], list) else [denied["type"]]
    own = node.get("type", list(TYPES))
    own = own if isinstance(own, list) else [own]
    # A number may be an integer: where one of the two is denied, none is left.
    without = set(listed) | (_NUMBERS if _NUMBERS & set(listed) else set())
    kept = [one for one in own if one not in without]
    return {**{k: v for k, v in node.items() if k != "not"}, "type": kept} if kept else False


def _names(node: Node, resolve: Resolve) -> Node:
    """`propertyNames` as properties, or as an expression."""
    names = resolve(node.get("propertyNames"))
    if not isinstance(names, dict) or "patternProperties" in node:
        return node
    words = names.keys() - _NOTES
    if not words or words == {"type"} or words - _OF_NAMES:
        return node
    value = node.get("additionalProperties", True)
    rest = {key: one for key, one in node.items() if key != "propertyNames"}
    listed = [names["const"]] if "const" in names else names.get("enum")
    own = node.get("properties", {})
    if not isinstance(own, dict):
        return node
    if isinstance(listed, list):
        kept = [one for one in listed if isinstance(one, str)]
        named = {one: own.get(one, value) for one in kept}
        return {**rest, "properties": named, "additionalProperties": False}
    pattern = _name_pattern(names, words)
    if own or not pattern:
        return node
    return {**rest, "patternProperties": {pattern: value}, "additionalProperties": False}


def _name_pattern(names: Node, words: set[str]) -> str:
    """The one expression of *names*, or ""."""
    match sorted(words - {"type"}):
        case ["pattern"]:
            return str(names["pattern"])
        case ["format"]:
            try:
                return pattern_of_format(str(names["format"]))
            except UnkeptFormatError:
                return ""
        case ["maxLength"] | ["minLength"] | ["maxLength", "minLength"]:
            least, most = names.get("minLength", 0), names.get("maxLength", "")
            bounded = all(isinstance(one, int | str) for one in (least, most))
            return f"^[^\\x00-\\x1f]{{{least},{most}}}$" if bounded else ""
        case _:
            return ""


def _set(node: Node, resolve: Resolve) -> Node:
    """A set of listed values as its subsets, each in the order of the list."""
    if node.get("uniqueItems") is not True or "prefixItems" in node or "contains" in node:
        return node
    item = resolve(node.get("items"))
    if not isinstance(item, dict) or item.keys() - _NOTES - {"enum", "const", "type"}:
        return node
    listed = [item["const"]] if "const" in item else item.get("enum")
    if not isinstance(listed, list) or len(listed) > MOST_MEMBERS or "enum" in node:
        return node
    least, most = node.get("minItems", 0), node.get("maxItems", len(listed))
    if not (isinstance(least, int | float) and isinstance(most, int | float)):
        return node
    values = [one for at, one in enumerate(listed) if not any(_same(one, x) for x in listed[:at])]
    subsets = [
        list(one)
        for size in range(len(values) + 1)
        if least <= size <= most
        for one in combinations(values, size)
    ]
    left = {key: one for key, one in node.items() if key not in ("uniqueItems", "items")}
    left = {key: one for key, one in left.items() if key not in ("minItems", "maxItems")}
    return {**left, "enum": subsets} if subsets else node


def _same(one: Any, other: Any) -> bool:
    return bool(one == other and isinstance(one, bool) is isinstance(other, bool))


def _tagged(node: Node, resolve: Resolve) -> Node:
    """A union that only a tag with a default tells apart, with the tag needed."""
    branches = node.get("oneOf")
    if not isinstance(branches, list) or "anyOf" in node or all_disjoint(branches, resolve):
        return node
    found = [resolve(one) for one in branches]
    if not all(isinstance(one, dict) and isinstance(one.get("properties"), dict) for one in found):
        return node
    shared = set.intersection(*({*one["properties"]} for one in found)) if found else set()
    for tag in sorted(shared):
        needing = [{**one, "required": [tag]} for one in found]
        if all_disjoint(needing, resolve):
            needs = {"type": "object", "required": [tag]}
            rest = {key: one for key, one in node.items() if key != "oneOf"}
            return {**rest, "anyOf": [{"allOf": [one, needs]} for one in branches]}
    return node


def _bounds(node: Node, _resolve: Resolve) -> Node:
    """Bounds so far out that the compiler gives up, drawn in."""
    changed: Node = {}
    for name, sign in (("minimum", -1), ("maximum", 1)):
        bound = node.get(name)
        if not isinstance(bound, int | float) or isinstance(bound, bool):
            continue
        if MOST_BOUND < sign * bound < float("inf"):
            changed[name] = sign * int(MOST_BOUND)
    return {**node, **changed} if changed else node
