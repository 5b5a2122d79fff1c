"""Which templates are those of rerankers, and which models can be asked by them."""

from __future__ import annotations

import pytest

from rkd.capability.judges import instruction, rerank
from rkd.capability.purpose import Pooling
from rkd.capability.rerank import first_of, is_rerank, reads_instruction
from rkd.capability.traits import Traits
from rkd.librkllmrt import Family
from rkd.model import BackendKind

PLAIN = "<|im_start|>Q: {query}\nD: {document}<|im_end|>"
VARIABLES = "{{ instruction | default('judge') }}|{{ query }}|{{ document }}"
ROLES = (
    "{% set all = messages %}"
    "{{ all | selectattr('role', 'eq', 'query') | map(attribute='content') | first }}|"
    "{{ all | selectattr('role', 'eq', 'document') | map(attribute='content') | first }}|"
    "{{ (all | selectattr('role', 'eq', 'system') | map(attribute='content') | first)"
    " or 'judge' }}"
)
CHAT = "{% for message in messages %}{{ message['role'] }}{{ message['content'] }}{% endfor %}"
CPU, NPU = BackendKind.CPU, BackendKind.NPU


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        (PLAIN, True),
        (VARIABLES, True),
        (ROLES, True),
        (CHAT, False),
        ("", False),
        ("{query} alone", False),
        ("{{ query }} alone", False),
        ("a query and a document in words, {{ messages }}", False),
    ],
)
def test_a_rerankers_template_puts_both_texts_together(source: str, *, expected: bool) -> None:
    """Whatever it is called."""
    assert is_rerank(source) is expected


def test_the_first_that_fits_is_taken() -> None:
    """The Modelfile's before the model's; chat templates are passed over."""
    assert first_of((None, CHAT, VARIABLES, PLAIN)) == VARIABLES
    assert first_of((None, "", CHAT)) == ""


@pytest.mark.parametrize(
    ("source", "expected"),
    [(PLAIN, False), (VARIABLES, True), (ROLES, True), ("{{ query }}{{ document }}", False)],
)
def test_an_instruction_has_a_place_or_none(source: str, *, expected: bool) -> None:
    """And the capability says so."""
    assert reads_instruction(source) is expected
    assert instruction(Traits(CPU, rank_template=source)).supported is expected


@pytest.mark.parametrize(
    ("traits", "why"),
    [
        (Traits(CPU), "neither a head"),
        (Traits(CPU, pooling=Pooling.RANK), "brings no head"),
        (Traits(CPU, encoder=True, pooling=Pooling.MEAN), "encoder without a head"),
        (Traits(NPU, family=Family.V1_3_0, tokenizer=False, rank_template=PLAIN), "tokenizer.json"),
        (Traits(NPU, family=Family.V1_1, rank_template=PLAIN), "older than 1.2.0"),
        (Traits(NPU, family=Family.V1_3_0), "neither a head"),
    ],
)
def test_who_cannot_is_told_why(traits: Traits, why: str) -> None:
    """With what would help; then there is no instruction either."""
    said = rerank(traits)

    assert (said.supported, why in said.reason, bool(said.remedy)) == (False, True, True)
    assert instruction(traits) == said


def test_who_can_says_how() -> None:
    """By a head or by its answer."""
    by_head = rerank(Traits(CPU, head=True, pooling=Pooling.RANK))
    by_answer = rerank(Traits(NPU, family=Family.V1_2_0, rank_template=PLAIN))

    assert by_head.details == {"scored_by": "head"}
    assert by_answer.details == {"scored_by": "answer"}
