"""A caller's schema in the words an engine keeps."""

from __future__ import annotations

import json
from typing import Any

import pytest

from rkd.backend.schema.disjoint import all_disjoint
from rkd.backend.schema.patterns import ascii_pattern
from rkd.backend.schema.schema import MAX_REFS, written
from rkd.errors import InvalidInputError, PreconditionError, RkdError


def takes_all(_schema: dict[str, Any]) -> str:
    """A compiler that refuses nothing."""
    return ""


def test_notes_and_unknown_formats_say_nothing() -> None:
    """They are left out, and with them what the engine would read as its own settings."""
    noted = {"type": "string", "title": "T", "format": "path", "x-guidance": {"lenient": True}}
    assert written(noted, takes_all) == {"type": "string"}


def test_every_reference_leads_to_a_definition_of_its_own() -> None:
    """Wherever it led before; what nothing refers to is left out."""
    made = written(
        {"items": {"$ref": "#/x/a~1b"}, "x": {"a/b": {"type": "null"}, "c": 3}}, takes_all
    )
    assert made == {"items": {"$ref": "#/$defs/r0"}, "$defs": {"r0": {"type": "null"}}}


def test_a_reference_may_come_back_inside_a_value() -> None:
    """A tree is a tree."""
    made = written({"properties": {"kids": {"items": {"$ref": "#"}}}}, takes_all)
    assert made["$defs"]["r0"]["properties"]["kids"] == {"items": {"$ref": "#/$defs/r0"}}


def test_what_was_demanded_twice_is_demanded_twice() -> None:
    """A format that becomes an expression stands beside the expression there was."""
    made = written({"pattern": "^20", "format": "date"}, takes_all)
    assert made["pattern"] == "^20"
    assert made["allOf"][0]["pattern"].startswith("^[1-9]")


def test_what_the_compiler_refuses_is_told_by_the_innermost_place() -> None:
    """The first place of which it says the same."""

    def refuses(schema: dict[str, Any]) -> str:
        return "constants are not supported" if "'const'" in str(schema) else ""

    with pytest.raises(PreconditionError, match="not supported") as caught:
        written({"properties": {"a": {"items": {"const": 1}}, "b": {}}}, refuses)
    assert caught.value.metadata["path"] == "#/properties/a/items"


@pytest.mark.parametrize("value", ["1e999", "-1e999", "NaN", "100001", "9" * 500, "-1", "1.5"])
@pytest.mark.parametrize("word", ["minLength", "maxLength", "minItems", "maxItems"])
def test_what_is_no_count_is_refused(word: str, value: str) -> None:
    """Numbers that have no end, too."""
    with pytest.raises(InvalidInputError, match="should be a count"):
        written({word: json.loads(value)}, takes_all)


@pytest.mark.parametrize("word", ["minimum", "maximum", "exclusiveMinimum", "multipleOf"])
def test_a_bound_without_end_is_no_number(word: str) -> None:
    """JSON's 1e999 is read as infinite."""
    with pytest.raises(InvalidInputError, match="should be a number"):
        written({word: json.loads("1e999")}, takes_all)


def test_references_are_bounded() -> None:
    """More places than that are refused."""
    many = {"items": {"anyOf": [{"$ref": f"#/d/{at}"} for at in range(MAX_REFS + 1)]}}
    with pytest.raises(RkdError, match=str(MAX_REFS)):
        written({**many, "d": [{}] * (MAX_REFS + 1)}, takes_all)


def test_a_long_place_is_cut() -> None:
    """An error repeats no kilobytes."""
    with pytest.raises(RkdError) as caught:
        written({"properties": {"n" * 5000: {"not": {"const": 1}}}}, takes_all)
    assert len(caught.value.message) < 600


@pytest.mark.parametrize(
    ("asked", "made"),
    [
        (r"^\d+$", "^[0-9]+$"),
        (r"[\w.]", "[A-Za-z0-9_.]"),
        (r"\\d", r"\\d"),
        (r"\s", r"[ \t\n\r\f\v]"),
        (r"[^\d]\D", r"[^0-9]\D"),
    ],
)
def test_digits_are_ten(asked: str, made: str) -> None:
    """As ECMA has them; the engine's are every script's."""
    assert ascii_pattern(asked) == made


@pytest.mark.parametrize(
    ("branches", "apart"),
    [
        ([{"type": "string"}, {"type": "integer"}], True),
        ([{"type": "number"}, {"type": "integer"}], False),
        ([{"const": "a"}, {"enum": ["b", "c"]}], True),
        ([{"const": 1}, {"const": 1.0}], False),
        ([{"const": True}, {"const": False}], True),
        ([{}, {"type": "null"}], False),
        ([{"type": "object", "required": ["a"]}, {"type": "object", "required": ["b"]}], False),
        ([{"type": "object", "properties": {"k": {"const": one}}} for one in "ab"], False),
        (
            [
                {"type": "object", "required": ["k"], "properties": {"k": {"const": one}}}
                for one in "ab"
            ],
            True,
        ),
    ],
)
def test_one_of_is_any_of_where_none_can_be_two(branches: list[Any], *, apart: bool) -> None:
    """Told by type, by value, or by a property that both need."""
    assert all_disjoint(branches, lambda node: node) is apart
