"""Vectors of encoders as the engine itself makes them, whatever the length of the text."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import gguf
import pytest

from rkd.backend.llamacpp.backend import LlamaCppBackend
from rkd.errors import BeyondRangeError, InternalError, InvalidInputError
from rkd.inference import EmbedSpec, LoadSpec
from rkd.model import BackendKind
from tests.contract.impatience import HASTY
from tests.contract.oracle import Oracle
from tests.models import tiny_bert

CONTEXT = 1024
LENGTHS = (1, 60, 250, 254, 255, 300, 510, 511, 600, 1022)
"""Letters of a word: with `[CLS]` and `[SEP]` below, at and above 256, 512 and the context."""
POOLINGS = (gguf.PoolingType.MEAN, gguf.PoolingType.CLS, gguf.PoolingType.LAST)


@dataclass(frozen=True, slots=True)
class Pair:
    """The same encoder behind the backend and in the oracle."""

    backend: LlamaCppBackend
    oracle: Oracle


@pytest.fixture(scope="module", params=POOLINGS, ids=lambda kind: kind.name)
def pair(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Pair]:
    """An encoder of each pooling."""
    folder = tmp_path_factory.mktemp("encoder")
    weights = tiny_bert.write(folder / "encoder.gguf", pooling=request.param)
    backend = loaded(weights, folder)
    yield Pair(backend, Oracle(weights, folder, context=CONTEXT))
    backend.close()


def loaded(weights: Path, folder: Path, *, slots: int = 1) -> LlamaCppBackend:
    """A backend with *weights*."""
    backend = LlamaCppBackend(lambda: None, folder)
    spec = LoadSpec(
        BackendKind.CPU,
        str(weights),
        context_tokens=CONTEXT,
        slots=slots,
        threads=1,
        embeddings=True,
    )
    backend.load(spec, lambda _: None)
    return backend


def word(length: int) -> str:
    """A word of so many letters, each a token of its own."""
    return "".join(chr(ord("a") + at % 26) for at in range(length))


@pytest.mark.parametrize("leaving", ["at once", "while it computes"])
def test_vectors_nobody_waits_for_are_not_made(pair: Pair, leaving: str) -> None:
    """Wherever the caller leaves; the next one is served."""
    with pytest.raises(InternalError, match="Nobody waits"):
        pair.backend.embed(EmbedSpec(("a", "b")), HASTY[leaving]())
    assert len(pair.backend.embed(EmbedSpec(("a", "b"))).vectors) == 2


class TestEncoders:
    """Mean, first and last token's state of a model that sees a text as a whole."""

    def test_a_vector_is_the_engines_own(self, pair: Pair) -> None:
        """To 1e-4, with the model's own tokens around the text, however long it is."""
        texts = tuple(word(length) for length in LENGTHS)

        made = pair.backend.embed(EmbedSpec(texts, normalize=False))

        assert made.prompt_tokens == sum(LENGTHS) + 2 * len(LENGTHS)
        for text, vector in zip(texts, made.vectors, strict=True):
            assert vector == pytest.approx(pair.oracle.vector(tiny_bert.ids_of(text)), abs=1e-4)

    def test_a_vector_has_length_one(self, pair: Pair) -> None:
        """Unless that is not wanted, also of its first dimensions alone."""
        asked = EmbedSpec((word(300), "a"), dimensions=8)
        whole = pair.backend.embed(EmbedSpec(asked.inputs, normalize=False)).vectors

        for vector, own in zip(pair.backend.embed(asked).vectors, whole, strict=True):
            length = math.hypot(*own[:8])
            assert vector == pytest.approx(tuple(value / length for value in own[:8]), abs=1e-4)

    def test_dimensions_it_does_not_have_are_refused(self, pair: Pair) -> None:
        """The error says how many there are."""
        with pytest.raises(InvalidInputError, match=f"at most {tiny_bert.WIDTH}"):
            pair.backend.embed(EmbedSpec(("a",), dimensions=tiny_bert.WIDTH + 1))

    def test_the_text_too_long_is_named(self, pair: Pair) -> None:
        """By its place and tokens; those beside it are not made in silence."""
        with pytest.raises(BeyondRangeError) as caught:
            pair.backend.embed(EmbedSpec(("a", word(CONTEXT - 1), "b")))

        assert caught.value.metadata == {
            "prompt_tokens": str(CONTEXT + 1),
            "limit": str(CONTEXT),
            "input": "1",
        }

    def test_a_text_cut_ends_as_the_model_wants_it(self, pair: Pair) -> None:
        """`[CLS]`, its beginning and `[SEP]`, together as long as the context."""
        long = word(3 * CONTEXT)
        tokens = (*tiny_bert.ids_of(long)[: CONTEXT - 1], tiny_bert.SEP)

        made = pair.backend.embed(EmbedSpec((long,), normalize=False, truncate=True))

        assert made.prompt_tokens == CONTEXT
        assert made.vectors[0] == pytest.approx(pair.oracle.vector(tokens), abs=1e-4)

    def test_an_empty_text_is_refused(self, pair: Pair) -> None:
        """By its place, although the model would put its own tokens around nothing."""
        with pytest.raises(InvalidInputError, match=r"inputs\[1\]: should not be empty"):
            pair.backend.embed(EmbedSpec(("a", "")))


def test_texts_computed_together_keep_their_places(tmp_path: Path) -> None:
    """
    Two slots take texts of any length at once.

    Only to 1e-3: the engine's fused attention rounds by who is computed together, measured 2e-4.
    """
    weights = tiny_bert.write(tmp_path / "encoder.gguf")
    texts = tuple(word(length) for length in (1000, 3, 700, 255, 900, 1))
    backend = loaded(weights, tmp_path, slots=2)
    try:
        made = backend.embed(EmbedSpec(texts)).vectors
        alone = [backend.embed(EmbedSpec((text,))).vectors[0] for text in texts]
    finally:
        backend.close()

    for vector, own in zip(made, alone, strict=True):
        assert vector == pytest.approx(own, abs=1e-3)


def test_an_encoder_that_says_nothing_is_pooled_by_the_mean(tmp_path: Path) -> None:
    """As those are used whose files say nothing; the last state would be that of `[SEP]`."""
    backend = loaded(tiny_bert.write(tmp_path / "says-none.gguf", pooling=None), tmp_path)
    oracle = Oracle(tiny_bert.write(tmp_path / "mean.gguf"), tmp_path, context=CONTEXT)
    try:
        (made,) = backend.embed(EmbedSpec(("abc",), normalize=False)).vectors
    finally:
        backend.close()

    assert made == pytest.approx(oracle.vector(tiny_bert.ids_of("abc")), abs=1e-4)
