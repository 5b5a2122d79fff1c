"""A finished answer read again, within bounds."""

from __future__ import annotations

import json
from typing import Any

import pytest

from rkd.backend.schema.conformity import broken


@pytest.mark.parametrize(
    ("schema", "answer", "said"),
    [
        ({"type": "object"}, "Once upon a time", "no JSON"),
        ({"type": "object"}, '{"a": 1', "no JSON"),
        ({"type": "object"}, "[]", "'type' at '$'"),
        ({"properties": {"a": {"maxLength": 1}}}, '{"a": "long"}', "'maxLength' at '$.a'"),
        ({"pattern": "^[a-z]$"}, '"A"', "'pattern'"),
        ({"items": {"$ref": "#/$defs/r0"}, "$defs": {"r0": {"const": 1}}}, "[1, 2]", "'$[1]'"),
        ({"multipleOf": 0.1}, "0.35", "'multipleOf'"),
    ],
)
def test_what_is_broken_is_told_by_its_place(schema: Any, answer: str, said: str) -> None:
    """In the answer, and which word it breaks."""
    assert said in broken(schema, answer)


@pytest.mark.parametrize(
    ("schema", "answer"),
    [
        ({"multipleOf": 0.1}, "0.3"),
        ({"enum": [0.1]}, "0.1"),
        ({"type": "integer"}, "9" * 5000),
        ({"type": "number"}, "1e999999999999999999999"),
        ({"multipleOf": 0.01}, "9" * 80),
        ({"additionalProperties": {"type": "integer"}}, '{"a": 1}'),
    ],
)
def test_numbers_are_as_exact_as_they_are_written(schema: Any, answer: str) -> None:
    """Not as floats have them, and however long they are."""
    assert broken(schema, answer) == ""


def test_expressions_that_may_take_for_ever_are_left_to_the_engine() -> None:
    """Of texts and of names; tried here, each would end with the universe."""
    slow = "^(a+)+$"
    text = json.dumps("a" * 64 + "b")

    assert broken({"pattern": slow}, text) == ""
    assert broken({"patternProperties": {slow: False}}, f"{{{text}: 1}}") == ""
    assert broken({"pattern": "a?" * 40 + "a" * 40}, json.dumps("a" * 39)) == ""


def test_references_that_multiply_are_left() -> None:
    """Two to the power of thirty of them are not followed."""
    defs: dict[str, Any] = {
        f"r{at}": {"allOf": [{"$ref": f"#/$defs/r{at + 1}"}] * 2} for at in range(30)
    }
    assert broken({"$ref": "#/$defs/r0", "$defs": {**defs, "r30": {}}}, "1") == ""


def test_no_address_is_fetched() -> None:
    """A schema cannot make the daemon call anybody."""
    assert "no such" not in broken({"type": "string", "$defs": {}}, '"a"')
    with pytest.raises(Exception, match="Unresolvable"):
        broken({"$ref": "http://127.0.0.1:9/schema.json"}, '"a"')
