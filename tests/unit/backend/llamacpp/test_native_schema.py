"""What a native llama-server's converter passes over is refused."""

from __future__ import annotations

from typing import Any

import pytest

from rkd.backend.llamacpp.native_schema import refuses


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"]},
        {"type": "array", "items": {"anyOf": [{"type": "null"}, {"const": 1}]}, "maxItems": 2},
        {"$ref": "#/$defs/r0", "$defs": {"r0": {"type": "integer", "minimum": 1}}},
        {"type": "string", "enum": ["a"]},
        {"type": "array"},
        {"type": "integer", "exclusiveMinimum": 1, "maximum": 5},
        {},
    ],
)
def test_what_it_keeps(schema: dict[str, Any]) -> None:
    """The common kinds."""
    assert refuses(schema) == ""


@pytest.mark.parametrize(
    ("schema", "word"),
    [
        ({"type": "number", "minimum": 1}, "minimum"),
        ({"type": "string", "pattern": "a", "maxLength": 2}, "maxLength"),
        ({"type": "object", "properties": {"a": {"multipleOf": 2}}}, "multipleOf"),
        ({"anyOf": [{}], "required": ["a"]}, "required"),
        ({"type": "object", "required": ["a"]}, "required"),
        ({"allOf": [{}]}, "allOf"),
        ({"type": "array", "minItems": 2}, "minItems"),
        ({"type": "array", "items": True, "maxItems": 2}, "maxItems"),
        ({"type": "integer", "minimum": 0, "exclusiveMinimum": 5}, "exclusiveMinimum"),
        ({"type": "integer", "minimum": 0.5}, "minimum"),
        ({"type": "integer", "maximum": 10**30}, "maximum"),
        ({"$ref": "#/$defs/r0", "$defs": {"r0": {"patternProperties": {}}}}, "patternProperties"),
    ],
)
def test_what_it_does_not(schema: dict[str, Any], word: str) -> None:
    """Named, and as a lack of the engine."""
    assert refuses(schema) == f"`{word}` is not supported here by a native llama-server"
