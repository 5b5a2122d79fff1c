"""Which JSON types a parameter may have, by its schema; pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote

MOST_BRANCHES = 4
"""How deep the branches of a schema are looked into."""
MOST_STEPS = 8
"""References followed one after the other."""
_NAMES = {str: "string", bool: "boolean", type(None): "null"}
_NONE: dict[str, object] = {}


def followed(schema: object, root: Mapping[str, object]) -> dict[str, Any]:
    """*schema*, or what its `$ref` inside *root* leads to; {} for anything else."""
    for _ in range(MOST_STEPS):
        if not isinstance(schema, dict):
            return _NONE
        reference = schema.get("$ref")
        if not isinstance(reference, str) or not reference.startswith("#"):
            return schema
        schema = _at(root, unquote(reference))
    return _NONE


def _at(root: Mapping[str, object], pointer: str) -> object:
    found: object = root
    for part in pointer.split("/")[1:]:
        name = part.replace("~1", "/").replace("~0", "~")
        found = found.get(name) if isinstance(found, Mapping) else None
    return found


def kinds_of(schema: object, root: Mapping[str, object], depth: int = 0) -> frozenset[str]:
    """The JSON types *schema*, a part of *root*, allows as far as it says so itself."""
    node = followed(schema, root)
    kind = node.get("type")
    listed = kind if isinstance(kind, list) else [kind]
    kinds = {one for one in listed if isinstance(one, str)}
    values = [node["const"]] if "const" in node else node.get("enum")
    if not kinds and isinstance(values, list):
        kinds |= {_NAMES[type(one)] for one in values if type(one) in _NAMES}
    for word in ("anyOf", "oneOf", "allOf"):
        branches = node.get(word)
        for branch in branches if isinstance(branches, list) and depth < MOST_BRANCHES else []:
            kinds |= kinds_of(branch, root, depth + 1)
    return frozenset(kinds)
