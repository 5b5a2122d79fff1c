"""Whether no value can be an answer to two schemas: then `oneOf` is `anyOf`; pure."""

from __future__ import annotations

from collections.abc import Callable
from itertools import combinations
from typing import Any

Schema = Any
Resolve = Callable[[Schema], Schema]
"""A schema with its `$ref`s followed."""

MAX_BRANCHES = 128
"""Every pair is looked at."""
_TYPES = frozenset({"null", "boolean", "number", "string", "array", "object"})


def all_disjoint(branches: list[Schema], resolve: Resolve) -> bool:
    """Whether no two of *branches* can both hold; False where it cannot be told."""
    if len(branches) > MAX_BRANCHES:
        return False
    return all(_disjoint(a, b, resolve) for a, b in combinations(map(resolve, branches), 2))


def _disjoint(one: Schema, other: Schema, resolve: Resolve) -> bool:
    if one is False or other is False:
        return True
    if not (isinstance(one, dict) and isinstance(other, dict)):
        return False
    if not _types(one) & _types(other):
        return True
    mine, others = _values(one), _values(other)
    if mine is not None and others is not None and not mine & others:
        return True
    return _types(one) & _types(other) == {"object"} and _tagged(one, other, resolve)


def _types(schema: dict[str, Schema]) -> set[str]:
    """The types a value may have; `integer` counts as `number`."""
    named = schema.get("type")
    listed = named if isinstance(named, list) else [named]
    known = {"number" if one == "integer" else str(one) for one in listed} & _TYPES
    return known if known and named is not None else set(_TYPES)


def _values(schema: dict[str, Schema]) -> set[tuple[str, object]] | None:
    """The only texts or booleans it can be; None where there are others."""
    listed = [schema["const"]] if "const" in schema else schema.get("enum")
    if not isinstance(listed, list) or not all(isinstance(one, str | bool) for one in listed):
        return None
    return {(type(one).__name__, one) for one in listed}


def _tagged(one: dict[str, Schema], other: dict[str, Schema], resolve: Resolve) -> bool:
    """Whether a property both need cannot be the same."""
    needed = _needed(one) & _needed(other)
    mine, others = one.get("properties"), other.get("properties")
    if not (isinstance(mine, dict) and isinstance(others, dict)):
        return False
    for name in needed & mine.keys() & others.keys():
        left, right = resolve(mine[name]), resolve(others[name])
        if not (isinstance(left, dict) and isinstance(right, dict)):
            continue
        values, theirs = _values(left), _values(right)
        if values is not None and theirs is not None and not values & theirs:
            return True
        if not _types(left) & _types(right):
            return True
    return False


def _needed(schema: dict[str, Schema]) -> set[str]:
    required = schema.get("required")
    return (
        {one for one in required if isinstance(one, str)} if isinstance(required, list) else set()
    )
