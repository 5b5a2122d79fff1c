"""What templates of rerankers make of a query and a document."""

from __future__ import annotations

import pytest

from rkd.backend.prompt.rank_template import RerankTemplate
from rkd.errors import InvalidInputError
from rkd.inference import RankSpec

PLAIN = "<|im_start|>Q: {query}\nD: {document}<|im_end|>"
VARIABLES = "{{ instruction | default('judge') }}|{{ query }}|{{ document }}"
ROLES = (
    "{% set all = messages %}"
    "{{ all | selectattr('role', 'eq', 'query') | map(attribute='content') | first }}|"
    "{{ all | selectattr('role', 'eq', 'document') | map(attribute='content') | first }}|"
    "{{ (all | selectattr('role', 'eq', 'system') | map(attribute='content') | first)"
    " or 'judge' }}"
)


@pytest.mark.parametrize(
    ("source", "asked", "expected"),
    [
        (PLAIN, RankSpec("x", ()), "<|im_start|>Q: x\nD: y<|im_end|>"),
        (VARIABLES, RankSpec("x", ()), "judge|x|y"),
        (VARIABLES, RankSpec("x", (), instruction="i"), "i|x|y"),
        (ROLES, RankSpec("x", ()), "x|y|judge"),
        (ROLES, RankSpec("x", (), instruction="i"), "x|y|i"),
    ],
)
def test_every_kind_is_filled(source: str, asked: RankSpec, expected: str) -> None:
    """Query, document, and the instruction where there is one."""
    assert RerankTemplate(source).prompt(asked, "y") == expected


def test_a_query_that_names_a_place_is_text() -> None:
    """A place is filled once, not again by what was put there."""
    made = RerankTemplate(PLAIN).prompt(RankSpec("{document}", ()), "{query}")

    assert made == "<|im_start|>Q: {document}\nD: {query}<|im_end|>"


@pytest.mark.parametrize(
    "source", ["{% if %}{{ query }}{{ document }}", "{{ query }}{{ document() }}"]
)
def test_a_broken_template_is_told(source: str) -> None:
    """As one of a chat is, when it is compiled or when it runs."""
    with pytest.raises(InvalidInputError) as caught:
        RerankTemplate(source).prompt(RankSpec("x", ()), "y")
    assert caught.value.violations[0].field == "template"
