"""Choices and regular expressions on the real engines: what a model of nonsense says keeps them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from rkd.backend.llamacpp.backend import LlamaCppBackend
from rkd.errors import InternalError
from rkd.inference import FinishReason, LoadSpec, Run, Sampling
from rkd.model import BackendKind, Message
from tests.contract.backend_suite import Recorded, carried_out
from tests.models import tiny

WILD = Sampling(temperature=1.5, top_p=1, min_p=0, max_tokens=200)
CHOICES = {
    "plain": ("red", "green", "blue"),
    "begin alike": ("yes", "yes please", "yes, please", "y"),
    "of every script": ("да", "はい", "🎉", "👩‍👩‍👧", "e\u0301", "é"),
    "of signs": ('"', "\\", "\\n", "\n", '"]', "root ::= x", "#", "\t", "\x01"),
    "one": ("only",),
    "long": ("x" * 150 + "a", "x" * 150 + "b"),
}
PATTERNS = (
    r"\d{3}-\d{4}",
    r"(yes|no)( please)?",
    r"[A-Z][a-z]{2,8}( [A-Z][a-z]{2,8})*",
    r"\{\"name\": \"[^\"\\\n]{1,12}\", \"n\": (0|[1-9]\d{0,3})\}",
    r"(a|ab|abc){1,3}z?",
    r"[äöüß🎉]{3}",
    r"(\w+\s){2}end",
    r".{0,40}",
    r"((a?b?){3}c){2}",
)


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LlamaCppBackend]:
    """The wheel's engine with a tiny model."""
    folder = tmp_path_factory.mktemp("engine")
    made = LlamaCppBackend(lambda: None, folder)
    weights = tiny.write(folder / "tiny.gguf")
    made.load(
        LoadSpec(BackendKind.CPU, str(weights), context_tokens=512, threads=1), lambda _: None
    )
    yield made
    made.close()


@pytest.mark.parametrize("choices", CHOICES.values(), ids=CHOICES)
def test_the_answer_is_one_of_the_choices(
    engine: LlamaCppBackend, choices: tuple[str, ...]
) -> None:
    """To the letter, whatever the seed; and it is not always the same one."""
    found = {
        answer.text
        for seed in range(12)
        if (answer := said(engine, replace(WILD, seed=seed, choices=choices))) is not None
    }

    assert found <= set(choices)
    assert len(found) > 1 or len(choices) == 1


def said(engine: LlamaCppBackend, sampling: Sampling) -> Recorded | None:
    """
    The answer; None where it was found out to be none.

    The engine takes characters written in more bytes than they need for what they are, and a model
    of nonsense writes such, where one that was trained does not.
    """
    try:
        return carried_out(engine, Run(sampling, prompt="Hi"))
    except InternalError as error:
        if "does not keep" not in error.message:
            raise
        return None


@pytest.mark.parametrize("pattern", PATTERNS)
def test_the_whole_answer_matches_the_expression(engine: LlamaCppBackend, pattern: str) -> None:
    """Python's own reader says so."""
    made = [
        said(engine, replace(WILD, seed=seed, regex=pattern, max_tokens=400)) for seed in range(8)
    ]
    whole = [one.text for one in made if one and one.outcome.reason is FinishReason.STOP_EOS]

    assert whole
    assert [text for text in whole if not re.fullmatch(pattern, text, re.ASCII)] == []


def test_a_cut_answer_begins_one(engine: LlamaCppBackend) -> None:
    """LENGTH says that it is not whole."""
    run = Run(replace(WILD, seed=1, regex="[a-c]{9}", max_tokens=3), prompt="Hi")
    recorded = carried_out(engine, run)

    assert recorded.outcome.reason is FinishReason.LENGTH
    assert re.fullmatch("[a-c]{1,8}", recorded.text)


def test_an_engine_that_breaks_a_constraint_is_found_out(
    engine: LlamaCppBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The finished answer is tried by another reader than the one that made it."""
    monkeypatch.setattr("rkd.backend.llamacpp.request.gbnf_of", lambda _choices: 'root ::= "other"')
    with pytest.raises(InternalError, match="does not keep the choices"):
        carried_out(engine, Run(replace(WILD, choices=("a", "b")), prompt="Hi"))


def test_a_constraint_holds_behind_reasoning(tmp_path: Path) -> None:
    """The template opened the reasoning; the choice is the answer's."""
    template = "{{ messages[0].content }}<think>\n"
    weights = tiny.write(tmp_path / "t.gguf", template=template)
    backend = LlamaCppBackend(lambda: None, tmp_path)
    spec = LoadSpec(BackendKind.CPU, str(weights), context_tokens=512, threads=1)
    backend.load(spec, lambda _: None)
    try:
        for held in ({"choices": ("left", "right")}, {"regex": "left|right"}):
            sampling = replace(WILD, seed=3, **held)
            run = Run(sampling, messages=(Message("user", "Hi"),), thinking_budget=5)
            recorded = carried_out(backend, run)
            assert recorded.text in {"left", "right"}
            assert any(chunk.reasoning for chunk in recorded.chunks)
    finally:
        backend.close()
