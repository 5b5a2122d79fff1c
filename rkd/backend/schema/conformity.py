"""
Whether a finished answer keeps its schema, by another reader than the engine that made it.

The engine drops its grammar in silence where it runs out of its own bounds, and holds some words
less strictly than the specification: a hole there shows here. `jsonschema` does the reading, held
to bounds: no address is fetched, no expression that could take long is tried.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

from rkd.backend.schema.keywords import Node
from rkd.outside import quoted

MAX_STEPS = 100_000
"""`$ref`s followed in one answer."""
MAX_TRIED = 1000
"""Characters a regular expression is tried on."""

_REPEATS = re.compile(r"[*+?]|\{\d*,\d*\}")
_GROUP_REPEATED = re.compile(r"\)[*+?{]")


class _TooMuchError(Exception):
    """Judging takes too long."""


def broken(schema: Node, answer: str) -> str:
    """
    Say where *answer* breaks *schema*, or "".

    Args:
        answer: what the engine wrote, whole.
        schema: as `rkd.backend.schema.schema.written` wrote it: its references lead to its `$defs`.
    """
    try:
        value = json.loads(answer, parse_float=_fraction, parse_int=_whole)
    except (ValueError, RecursionError) as error:
        return f"it is no JSON: {quoted(str(error))}"
    rules = json.loads(json.dumps(schema), parse_float=_fraction)
    try:
        found = next(_validator(rules).iter_errors(value), None)
    except (_TooMuchError, RecursionError, ArithmeticError):
        return ""
    return "" if found is None else f"{quoted(found.validator)} at {quoted(found.json_path)}"


def _fraction(digits: str) -> Decimal | float:
    """As a decimal: of floats, 0.3 is no multiple of 0.1. Exponents without end are infinite."""
    try:
        return Decimal(digits)
    except ArithmeticError:
        return float(digits)


def _whole(digits: str) -> int:
    """However long: Python's own reading ends at 4,300 digits."""
    return int(Decimal(digits))


def _validator(rules: Node) -> Any:
    from jsonschema import Draft202012Validator as Draft  # noqa: PLC0415 - for such answers alone
    from jsonschema.validators import extend  # noqa: PLC0415
    from referencing import Registry  # noqa: PLC0415

    steps = 0

    def reference(validator: Any, ref: Any, instance: Any, schema: Any) -> Iterator[Any]:
        nonlocal steps
        steps += 1
        if steps > MAX_STEPS:
            raise _TooMuchError
        yield from Draft.VALIDATORS["$ref"](validator, ref, instance, schema) or ()

    def pattern(validator: Any, wanted: str, instance: Any, schema: Any) -> Iterator[Any]:
        if _cheap(wanted) and not (isinstance(instance, str) and len(instance) > MAX_TRIED):
            yield from Draft.VALIDATORS["pattern"](validator, wanted, instance, schema) or ()

    words: dict[str, Any] = {"$ref": reference, "pattern": pattern}
    return extend(Draft, words)(_without_names(rules), registry=Registry())


def _cheap(pattern: str) -> bool:
    """Whether *pattern* cannot take longer than the square of what it is tried on."""
    if _GROUP_REPEATED.search(pattern) or len(_REPEATS.findall(pattern)) > 1:
        return False
    try:
        re.compile(pattern)
    except (re.error, OverflowError, RecursionError):
        return False
    return True


def _without_names(node: Any) -> Any:
    """*node* without what is said of names by expressions, where one could take long."""
    if isinstance(node, list):
        return [_without_names(one) for one in node]
    if not isinstance(node, dict):
        return node
    named = node.get("patternProperties")
    dear = isinstance(named, dict) and not all(_cheap(one) for one in named)
    left = ("patternProperties", "additionalProperties") if dear else ()
    return {name: _without_names(one) for name, one in node.items() if name not in left}
