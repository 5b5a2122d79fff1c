"""OpenAI's requests, without a daemon."""

from __future__ import annotations

from typing import Any

import pytest
from rkd_client.errors import RkdError
from rkd_gateway.fields import Fields
from rkd_gateway.openai.asking import constraint

SCHEMA = {"type": "object"}


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, {}),
        ({"response_format": {"type": "text"}}, {}),
        ({"response_format": {"type": "json_object"}}, {"json_schema": "{}"}),
        ({"structured_outputs": {"json": SCHEMA}}, {"json_schema": '{"type": "object"}'}),
        ({"structured_outputs": {"json": '{"a":1}'}}, {"json_schema": '{"a":1}'}),
        ({"structured_outputs": {"json_object": True}}, {"json_schema": "{}"}),
        ({"structured_outputs": {"regex": "a+"}}, {"regex": "a+"}),
        ({"structured_outputs": {"choice": ["a", "b"]}}, {"choices": ["a", "b"]}),
        ({"structured_outputs": {"grammar": "root ::= 'a'"}}, {"grammar": "root ::= 'a'"}),
        ({"guided_json": SCHEMA}, {"json_schema": '{"type": "object"}'}),
        ({"guided_choice": ["a"]}, {"choices": ["a"]}),
        ({"json_schema": SCHEMA}, {"json_schema": '{"type": "object"}'}),
        ({"choices": ["a"], "response_format": {"type": "text"}}, {"choices": ["a"]}),
        ({"regex": "a"}, {"regex": "a"}),
    ],
)
def test_a_constraint_has_many_names(given: dict[str, Any], expected: dict[str, Any]) -> None:
    """OpenAI's, vLLM's of today and of old, llama.cpp's and ours mean the same."""
    fields = Fields(given)

    assert constraint(fields) == expected
    fields.end()


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"regex": "a", "guided_json": SCHEMA}, "response_format"),
        ({"regex": "a", "response_format": {"type": "json_object"}}, "response_format"),
        ({"structured_outputs": {"regex": "a", "choice": ["a"]}}, "response_format"),
        ({"structured_outputs": {"structural_tag": "x"}}, "structured_outputs.structural_tag"),
        ({"structured_outputs": {"json": 1}}, "structured_outputs.json"),
        ({"structured_outputs": {"choice": [1]}}, "structured_outputs.choice"),
        ({"structured_outputs": {"regex": 1}}, "structured_outputs.regex"),
        ({"structured_outputs": ["a"]}, "structured_outputs"),
        ({"guided_choice": "a"}, "guided_choice"),
    ],
)
def test_two_constraints_or_one_of_another_shape_are_refused(
    given: dict[str, Any], field: str
) -> None:
    """None is passed over: the answer would not be what was asked for."""
    with pytest.raises(RkdError) as caught:
        constraint(Fields(given))

    assert (caught.value.reason, caught.value.metadata["field"]) == ("INVALID_FIELD", field)
