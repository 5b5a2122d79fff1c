"""Every token of an answer has its id and its probability, also those that are no character."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from rkd.backend.llamacpp.answer import EventAnswer
from rkd.backend.llamacpp.backend import LlamaCppBackend
from rkd.backend.llamacpp.chances import complete
from rkd.backend.llamacpp.fragments import Fragments
from rkd.inference import LoadSpec, Run, Sampling
from rkd.model import BackendKind
from rkd.weights.vocabulary import read_vocabulary
from rkd.worker.handle import Handle
from tests.contract.backend_suite import Recorded, carried_out
from tests.models import tiny

TEXT = "a🎉ß, 世界 b"


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LlamaCppBackend]:
    """One whose tokens are bytes: every character beyond ASCII is several of them."""
    folder = tmp_path_factory.mktemp("engine")
    made = LlamaCppBackend(lambda: None, folder)
    weights = tiny.write(folder / "tiny.gguf")
    made.load(
        LoadSpec(BackendKind.CPU, str(weights), context_tokens=256, threads=1), lambda _: None
    )
    yield made
    made.close()


def ids_of(recorded: Recorded) -> list[int]:
    """The ids told."""
    return [token for chunk in recorded.chunks for token in chunk.token_ids]


def test_every_id_is_told(engine: LlamaCppBackend) -> None:
    """The same as the engine tells when it is asked for all at once; each with its character."""
    sampling = Sampling(seed=1, choices=(TEXT,))
    recorded = carried_out(engine, Run(sampling, prompt="Hi", token_ids=True))
    body = {"prompt": "Hi", "return_tokens": True, "seed": 1}
    grammar = "root ::= " + " ".join(f'"\\U{ord(one):08X}"' for one in TEXT)
    whole = engine._http.post("/completion", {**body, "grammar": grammar})

    assert recorded.text == TEXT
    assert ids_of(recorded) == whole["tokens"]
    assert recorded.outcome.usage.completion_tokens == len(whole["tokens"])
    assert [len(chunk.token_ids) for chunk in recorded.chunks if chunk.text] == [
        len(one.encode()) for one in TEXT
    ]


def test_every_probability_is_told(engine: LlamaCppBackend) -> None:
    """One entry a token, in order, of the token told; they are what the model says there."""
    sampling = Sampling(seed=1, choices=(TEXT,), logprobs=3)
    recorded = carried_out(engine, Run(sampling, prompt="Hi", token_ids=True))
    entries = [entry for chunk in recorded.chunks for entry in chunk.logprobs]

    assert [one.chosen.token_id for one in entries] == ids_of(recorded)
    assert all(len(one.alternatives) == 3 for one in entries)
    assert all(one.chosen.logprob <= one.alternatives[0].logprob + 1e-4 for one in entries)
    assert recorded.outcome.warnings == ()


def test_what_is_asked_for_later_is_what_would_have_been_told(engine: LlamaCppBackend) -> None:
    """Of plain characters both ways are there to compare."""
    sampling = Sampling(seed=1, choices=("plain text",), logprobs=2)
    run = Run(sampling, prompt="Hi")
    recorded = carried_out(engine, run)
    told = [entry for chunk in recorded.chunks for entry in chunk.logprobs]
    answer = EventAnswer(run, "Hi", lambda _: None, Handle(), fragments=engine._fragments)
    answer.record.ids = [entry.chosen.token_id for entry in told]
    answer.record._entries = [None] * len(told)
    complete(answer, engine._http, {"cache_prompt": True}, "Hi", engine._tokens)

    found = answer.record.new_logprobs()
    assert [one.chosen.token_id for one in found] == answer.record.ids
    for one, other in zip(found, told, strict=True):
        assert one.chosen.logprob == pytest.approx(other.chosen.logprob, abs=1e-3)
        assert [it.token_id for it in one.alternatives] == [
            it.token_id for it in other.alternatives
        ]


def test_without_being_asked_nothing_is_looked_for(engine: LlamaCppBackend) -> None:
    """The vocabulary is not read for answers nobody wants the tokens of."""
    engine._fragments = Fragments(lambda: pytest.fail("read"))
    try:
        carried_out(engine, Run(Sampling(seed=1, choices=(TEXT,)), prompt="Hi"))
    finally:
        spec = engine._spec
        assert spec is not None
        weights = spec.weights
        engine._fragments = Fragments(lambda: read_vocabulary(weights))  # type: ignore[arg-type]


def test_what_nobody_can_know_is_said(engine: LlamaCppBackend) -> None:
    """An answer cut inside a character has tokens without text."""
    sampling = Sampling(seed=1, choices=("🎉",), max_tokens=2)
    recorded = carried_out(engine, Run(sampling, prompt="Hi", token_ids=True))

    assert recorded.text == ""
    assert "the ids of 2 tokens that are no whole character are not known" in (
        recorded.outcome.warnings
    )
    quiet = carried_out(engine, Run(replace(sampling), prompt="Hi"))
    assert quiet.outcome.warnings == ()
