"""llama.cpp from the wheel, in this process and in a worker, and as a server of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import gguf
import pytest

from rkd.backend.backend import Backend
from rkd.backend.llamacpp.backend import LlamaCppBackend
from rkd.backend.text.vectors import shaped
from rkd.errors import BeyondRangeError, PreconditionError
from rkd.inference import ContextOverflow, EmbedSpec, LoadSpec, Run, Sampling
from rkd.model import BackendKind, Message
from rkd.worker.handle import Handle
from tests.contract.backend_suite import ABILITIES, BackendSuite, Subject, carried_out
from tests.contract.oracle import Oracle
from tests.contract.wire_client import WireBackend
from tests.models import tiny, tiny_bert


@pytest.fixture(scope="session")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny GGUF."""
    return tiny.write(tmp_path_factory.mktemp("weights") / "tiny.gguf")


@pytest.fixture(params=["direct", "worker", "native", "native worker", "look-up"])
def subject(
    request: pytest.FixtureRequest, weights: Path, llama_server: Path, tmp_path: Path
) -> Subject:
    """The engine with two slots of 256 tokens."""
    garbage = tmp_path / "garbage.gguf"
    garbage.write_bytes(b"GGUF" + bytes(range(256)) * 16)

    def make() -> Backend:
        if request.param.endswith("worker"):
            return WireBackend(tmp_path)
        return LlamaCppBackend(lambda: None, tmp_path)

    spec = LoadSpec(
        BackendKind.CPU,
        str(weights),
        context_tokens=256,
        slots=2,
        threads=1,
        runtime_library=str(llama_server) if request.param.startswith("native") else "",
        lookup_tokens=8 if request.param == "look-up" else 0,
    )
    able = ABILITIES - {"embed"}  # asked for at load, and here it is not
    return Subject(make, spec, str(garbage), prompt="Hi", able=able)


class TestLlamaCpp(BackendSuite):
    """The contract, kept by llama.cpp."""


@pytest.mark.parametrize("native", [False, True], ids=["wheel", "native"])
def test_guesses_change_no_answer(
    weights: Path, llama_server: Path, tmp_path: Path, *, native: bool
) -> None:
    """Greedy, with a seed, under a grammar, with their chances: token for token the same."""
    spec = LoadSpec(
        BackendKind.CPU,
        str(weights),
        context_tokens=512,
        threads=1,
        embeddings=True,
        runtime_library=str(llama_server) if native else "",
    )
    samplings = [
        Sampling(temperature=0, max_tokens=60),
        Sampling(seed=7, temperature=1.5, max_tokens=60),
        Sampling(temperature=0, max_tokens=40, grammar='root ::= ("ab" | "ba")*'),
        Sampling(temperature=0, max_tokens=20, logprobs=2),
        Sampling(temperature=0, max_tokens=60, stop=("ab",)),
    ]
    runs = [Run(one, prompt="abcabcabdabcabc " * 6) for one in samplings]

    def answers(lookup_tokens: int) -> list[tuple[str, object, object, list[object]]]:
        backend = LlamaCppBackend(lambda: None, tmp_path)
        backend.load(replace(spec, lookup_tokens=lookup_tokens), lambda _: None)
        found = []
        try:
            guesses = backend._http.get("/slots")[0]["speculative"]
            assert guesses == bool(lookup_tokens)
            for run in runs:
                told = carried_out(backend, run)
                assert told.outcome is not None
                chances = [one.chosen.token_id for chunk in told.chunks for one in chunk.logprobs]
                usage = told.outcome.usage.completion_tokens
                found.append((told.text, told.outcome.reason, usage, chances))
        finally:
            backend.close()
        return found

    assert answers(8) == answers(0)


def test_a_model_let_go_at_once_is_gone(weights: Path, tmp_path: Path) -> None:
    """Whatever the engine's threads were about to do; before, one of fifty never ended."""
    spec = LoadSpec(backend="cpu", weights=str(weights), context_tokens=256, slots=1)
    for at in range(40):
        folder = tmp_path / str(at)
        folder.mkdir()
        backend = LlamaCppBackend(lambda: None, folder)
        backend.load(spec, lambda _progress: None)
        backend.close()


def test_a_native_engine_embeds_as_the_wheel_does(llama_server: Path, tmp_path: Path) -> None:
    """It is told how to pool and to compute a text at once."""
    weights = tiny_bert.write(tmp_path / "encoder.gguf")
    backend = LlamaCppBackend(lambda: None, tmp_path)
    spec = LoadSpec(BackendKind.CPU, str(weights), context_tokens=1024, threads=1, embeddings=True)
    backend.load(replace(spec, runtime_library=str(llama_server)), lambda _: None)
    try:
        made = backend.embed(EmbedSpec(("a" * 600,), normalize=False)).vectors[0]
    finally:
        backend.close()

    own = Oracle(weights, tmp_path, context=1024).vector(tiny_bert.ids_of("a" * 600))
    assert made == pytest.approx(own, abs=1e-4)


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Callable[..., LlamaCppBackend]]:
    """Loads tiny models, each with the same weights, and closes them."""
    made: list[LlamaCppBackend] = []

    def load(**options: Any) -> LlamaCppBackend:
        folder = tmp_path / str(len(made))
        folder.mkdir()
        weights = tiny.write(folder / "t.gguf", **options)
        backend = LlamaCppBackend(lambda: None, folder)
        made.append(backend)
        spec = LoadSpec(
            BackendKind.CPU, str(weights), context_tokens=512, threads=1, embeddings=True
        )
        backend.load(spec, lambda _: None)
        return backend

    yield load
    for one in made:
        one.close()


def test_a_vector_is_pooled_as_the_file_says(engine: Callable[..., LlamaCppBackend]) -> None:
    """
    Mean and first token of all states, to 1e-4; the last one's where the file says nothing.

    The model sees only what stands before, so the states of a text are the last ones of its
    prefixes.
    """
    text = "abcdefg"
    plain = EmbedSpec(tuple(text[:end] for end in range(1, len(text) + 1)), normalize=False)
    states = engine().embed(plain).vectors
    asked = EmbedSpec((text,))
    (mean,) = engine(pooling=gguf.PoolingType.MEAN).embed(asked).vectors
    (first,) = engine(pooling=gguf.PoolingType.CLS).embed(asked).vectors
    (last,) = engine(pooling=gguf.PoolingType.LAST).embed(asked).vectors

    whole = tuple(sum(each) for each in zip(*states, strict=True))
    for made, state in ((mean, whole), (first, states[0]), (last, states[-1])):
        assert made == pytest.approx(shaped(state, asked), abs=1e-4)


def test_a_text_as_long_as_the_context_is_embedded(engine: Callable[..., LlamaCppBackend]) -> None:
    """However it is pooled; a longer one is refused by its place."""
    for pooling, limit in ((None, "511"), (gguf.PoolingType.MEAN, "512")):
        backend = engine(pooling=pooling)
        assert backend.embed(EmbedSpec(("a" * 500,))).prompt_tokens == 500
        with pytest.raises(BeyondRangeError) as caught:
            backend.embed(EmbedSpec(("a", "b" * 600)))
        assert caught.value.metadata == {"prompt_tokens": "600", "limit": limit, "input": "1"}
        assert caught.value.violations[0].field == "inputs[1]"


def test_a_text_too_long_is_cut_when_that_is_asked(engine: Callable[..., LlamaCppBackend]) -> None:
    """Its beginning makes the vector; what fits is left as it is."""
    for pooling, most in ((None, 511), (gguf.PoolingType.MEAN, 512)):
        backend = engine(pooling=pooling)
        long = "".join(chr(97 + at % 26) for at in range(600))
        made = backend.embed(EmbedSpec((long, "a", long[:most]), truncate=True))

        assert made.prompt_tokens == most + 1 + most
        assert made.vectors[0] == pytest.approx(made.vectors[2], abs=1e-4)
        assert made.vectors[1] == pytest.approx(backend.embed(EmbedSpec(("a",))).vectors[0])


def test_models_are_asked_for_what_they_can(engine: Callable[..., LlamaCppBackend]) -> None:
    """A ranker makes no vectors, an encoder no text: CAPABILITY_UNSUPPORTED, not nonsense."""
    with pytest.raises(PreconditionError, match="ranks") as ranks:
        engine(pooling=gguf.PoolingType.RANK).embed(EmbedSpec(("a",)))
    encoder = engine(pooling=gguf.PoolingType.MEAN, causal=False)
    with pytest.raises(PreconditionError, match="encoder") as encodes:
        encoder.run(Run(prompt="a"), Handle(), lambda _: None)

    assert [one.value.metadata["capability"] for one in (ranks, encodes)] == ["embed", "generate"]
    assert len(encoder.embed(EmbedSpec(("a",))).vectors[0]) == tiny.WIDTH


def test_the_oldest_turns_are_left_out_when_asked(engine: Callable[..., LlamaCppBackend]) -> None:
    """By the count of the engine itself; a last turn too long alone, or no wish, is refused."""
    backend = engine()
    turns = [Message("user", "a" * 80), Message("assistant", "b" * 80)] * 3
    run = Run(
        Sampling(max_tokens=4, temperature=0),
        messages=(Message("system", "s" * 40), *turns, Message("user", "c" * 60)),
        context_overflow=ContextOverflow.TRIM_OLDEST,
    )
    kept = replace(run, messages=(run.messages[0], *turns[2:], run.messages[-1]))

    outcome = carried_out(backend, run).outcome
    shorter = carried_out(backend, kept).outcome
    for refused in (
        replace(run, context_overflow=ContextOverflow.REFUSE),
        replace(run, messages=(*turns, Message("user", "c" * 600))),
    ):
        with pytest.raises(BeyondRangeError) as caught:
            carried_out(backend, refused)
        assert caught.value.metadata["limit"] == "512"

    assert outcome is not None
    assert shorter is not None
    assert shorter.warnings == ()
    assert outcome.usage.prompt_tokens == shorter.usage.prompt_tokens
    (said,) = outcome.warnings
    assert "oldest first: 1 user, 1 assistant messages; " in said
    assert f"the prompt has {shorter.usage.prompt_tokens} tokens instead of " in said


@pytest.mark.parametrize("native", [False, True], ids=["wheel", "native"])
def test_conversations_that_take_turns_are_read_once(
    tmp_path: Path, llama_server: Path, *, native: bool
) -> None:
    """On one slot: what was left for another's turn is there; without room for it, nothing."""
    weights = tiny.write(tmp_path / "t.gguf")
    spec = LoadSpec(
        BackendKind.CPU,
        str(weights),
        context_tokens=512,
        threads=1,
        embeddings=not native,
        runtime_library=str(llama_server) if native else "",
    )

    def cached(kept_bytes: int) -> list[int]:
        backend = LlamaCppBackend(lambda: None, tmp_path)
        backend.load(replace(spec, prompt_cache_bytes=kept_bytes), lambda _: None)
        found = []
        try:
            for prompt in ("a" * 200, "b" * 200, "a" * 201, "b" * 201, "title", "a" * 202):
                run = Run(prompt=prompt, sampling=Sampling(temperature=0, max_tokens=2))
                outcome = carried_out(backend, run).outcome
                assert outcome is not None
                found.append(outcome.usage.cached_tokens)
        finally:
            backend.close()
        return found

    assert cached(8 << 20) == [0, 0, 200, 200, 0, 201]
    assert cached(0) == [0, 0, 0, 0, 0, 0]


@pytest.mark.parametrize("kept_bytes", [0, 8 << 20])
def test_one_runs_adapters_change_no_others(tmp_path: Path, kept_bytes: int) -> None:
    """A run that names none has what the model was loaded with, whatever ran before it."""
    weights = tiny.write(tmp_path / "t.gguf")
    adapter = tiny.write_adapter(tmp_path / "style.gguf")
    backend = LlamaCppBackend(lambda: None, tmp_path)
    spec = LoadSpec(
        BackendKind.CPU,
        str(weights),
        context_tokens=256,
        threads=1,
        adapters=(("style", str(adapter), 1.0),),
        prompt_cache_bytes=kept_bytes,
    )
    plain = Run(prompt="abc" * 20, sampling=Sampling(temperature=0, seed=1, max_tokens=12))
    other = replace(plain, prompt="xyz" * 20)
    backend.load(spec, lambda _: None)
    try:
        first = carried_out(backend, plain).text
        carried_out(backend, other)
        off = carried_out(backend, replace(plain, lora=(("style", 0.0),))).text
        carried_out(backend, other)
        again = carried_out(backend, plain).text
    finally:
        backend.close()

    assert first != off
    assert again == first
