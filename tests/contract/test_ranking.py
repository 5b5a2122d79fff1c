"""Scores of documents: a head's as the engine gives them, and yes against no as the logits say."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import gguf
import pytest

from rkd.backend.backend import Backend
from rkd.backend.llamacpp.backend import LlamaCppBackend
from rkd.backend.llamacpp.http import EngineHttp
from rkd.errors import BeyondRangeError, InternalError, PreconditionError
from rkd.inference import LoadSpec, RankSpec
from rkd.model import BackendKind
from tests.contract.impatience import HASTY
from tests.contract.oracle import Oracle
from tests.contract.wire_client import WireBackend
from tests.models import tiny, tiny_bert

CONTEXT = 512
TEMPLATE = "<|im_start|>Q: {query}\nD: {document}<|im_end|>"
RANK = gguf.PoolingType.RANK
DOCUMENTS = ("a cat is an animal", "dogs bark", "b " * 150, "x", "c " * 20) * 5
"""More than go to the engine together, of lengths below and above a batch."""
FIRST_WORD = len(tiny.SPECIAL) + tiny.BYTES + 1
"""The id of the first of `words`."""


@pytest.fixture
def load(tmp_path: Path) -> Iterator[Callable[..., Backend]]:
    """Loads a GGUF and closes it."""
    made: list[Backend] = []

    def loaded(weights: Path, backend: Backend | None = None, **fields: Any) -> Backend:
        folder = tmp_path / f"backend-{len(made)}"
        folder.mkdir()
        one = backend or LlamaCppBackend(lambda: None, folder)
        made.append(one)
        spec = LoadSpec(
            BackendKind.CPU,
            str(weights),
            context_tokens=CONTEXT,
            slots=2,
            threads=1,
            embeddings=True,
        )
        one.load(replace(spec, **fields), lambda _: None)
        return one

    yield loaded
    for one in made:
        one.close()


@pytest.mark.parametrize("leaving", HASTY)
@pytest.mark.parametrize("head", [True, False])
def test_a_ranking_nobody_waits_for_ends(
    load: Callable[..., Backend], tmp_path: Path, leaving: str, *, head: bool
) -> None:
    """Wherever its caller leaves; the next one is served."""
    path = tmp_path / "rank.gguf"
    if head:
        tiny_bert.write(path, pooling=RANK)
    else:
        tiny.write(path, words=("yes", "no"), texts={"tokenizer.chat_template.rerank": TEMPLATE})
    backend = load(path, slots=1)
    asked = RankSpec("cats", DOCUMENTS)

    with pytest.raises(InternalError, match="Nobody waits"):
        backend.rank(asked, HASTY[leaving]())
    assert len(backend.rank(asked).scores) == len(DOCUMENTS)


class TestHeads:
    """Models that score by themselves."""

    @pytest.mark.parametrize("labels", [1, 3])
    def test_a_score_is_the_engines_own(
        self, load: Callable[..., Backend], tmp_path: Path, labels: int
    ) -> None:
        """The first output of the head, as it is or as a probability; in the documents' order."""
        weights = tiny_bert.write(tmp_path / "rank.gguf", pooling=RANK, labels=labels)
        own = Oracle(weights, tmp_path, context=CONTEXT, rank=True).scores("cats", DOCUMENTS)
        backend = load(weights, slots=1)

        raw = backend.rank(RankSpec("cats", DOCUMENTS, normalize=False))
        scaled = backend.rank(RankSpec("cats", DOCUMENTS))

        assert raw.scores == pytest.approx(own, abs=1e-4)
        assert scaled.scores == pytest.approx([1 / (1 + math.exp(-one)) for one in own], abs=1e-4)
        assert raw.prompt_tokens == sum(len("cats") + len(pieces(one)) + 2 for one in DOCUMENTS)

    def test_a_head_with_a_softmax_gives_probabilities(
        self, load: Callable[..., Backend], tmp_path: Path
    ) -> None:
        """They are not squeezed once more; the log-odds are made of them."""
        weights = tiny.write(tmp_path / "rank.gguf", pooling=RANK, labels=2)
        own = Oracle(weights, tmp_path, context=CONTEXT, rank=True).scores("cats", DOCUMENTS)
        backend = load(weights, slots=1)

        assert all(0 < one < 1 for one in own)
        assert backend.rank(RankSpec("cats", DOCUMENTS)).scores == pytest.approx(own, abs=1e-4)
        raw = backend.rank(RankSpec("cats", DOCUMENTS, normalize=False)).scores
        assert raw == pytest.approx([math.log(one / (1 - one)) for one in own], abs=1e-3)

    @pytest.mark.parametrize("texts", [{}, {"tokenizer.chat_template.rerank": TEMPLATE}])
    def test_what_does_not_fit_is_named_or_cut(
        self, load: Callable[..., Backend], tmp_path: Path, texts: dict[str, str]
    ) -> None:
        """To the token, with the model's template or without."""
        weights = tiny.write(tmp_path / "rank.gguf", pooling=RANK, labels=2, texts=texts)
        backend = load(weights)
        room = CONTEXT - 1 - len("qq")
        if texts:
            room -= len("Q: \nD: ") + 2  # and two control tokens

        fits = backend.rank(RankSpec("qq", ("a", "b" * room)))
        with pytest.raises(BeyondRangeError) as caught:
            backend.rank(RankSpec("qq", ("a", "b" * (room + 1))))
        cut = backend.rank(RankSpec("qq", ("a", "b" * 3000), truncate=True))
        with pytest.raises(BeyondRangeError) as query:
            backend.rank(RankSpec("q" * CONTEXT, ("a",), truncate=True))

        assert caught.value.metadata["field"] == "documents[1]"
        assert caught.value.metadata["prompt_tokens"] == str(CONTEXT)
        assert cut == fits
        assert query.value.violations[0].field == "query"

    def test_a_query_that_names_a_place_is_text(
        self, load: Callable[..., Backend], tmp_path: Path
    ) -> None:
        """The engine would put the document there as well."""
        texts = {"tokenizer.chat_template.rerank": TEMPLATE}
        weights = tiny.write(tmp_path / "rank.gguf", pooling=RANK, labels=2, texts=texts)
        read = load(weights).rank(RankSpec("a{document}b", ("c" * 100,))).prompt_tokens

        assert read == len("Q: a{ document }b\nD: ") + 100 + 2

    def test_an_encoder_reads_as_much_as_its_context(
        self, load: Callable[..., Backend], tmp_path: Path
    ) -> None:
        """To the last token, with those the engine puts between and around."""
        backend = load(tiny_bert.write(tmp_path / "rank.gguf", pooling=RANK))
        room = CONTEXT - len("qq") - 2

        fits = backend.rank(RankSpec("qq", ("b" * room,)))
        with pytest.raises(BeyondRangeError, match=rf"makes {CONTEXT + 1} tokens"):
            backend.rank(RankSpec("qq", ("b" * (room + 1),)))

        assert fits.prompt_tokens == CONTEXT
        assert backend.rank(RankSpec("qq", ("b" * 3000,), truncate=True)) == fits

    def test_an_encoder_that_does_not_say_what_its_head_is_for(
        self, load: Callable[..., Backend], tmp_path: Path
    ) -> None:
        """It ranks: early conversions left the word out."""
        said = load(tiny_bert.write(tmp_path / "said.gguf", pooling=RANK))
        silent = load(tiny_bert.write(tmp_path / "silent.gguf", pooling=None, head=True))
        asked = RankSpec("cats", ("dogs", "cat"))

        assert silent.rank(asked) == said.rank(asked)

    def test_a_worker_and_a_native_engine_say_the_same(
        self, load: Callable[..., Backend], llama_server: Path, tmp_path: Path
    ) -> None:
        """Across the wire, and from a server of its own."""
        weights = tiny_bert.write(tmp_path / "rank.gguf", pooling=RANK)
        asked = RankSpec("cats", ("dogs", "cat"))
        own = load(weights).rank(asked)

        native = load(weights, runtime_library=str(llama_server)).rank(asked)
        assert load(weights, WireBackend(tmp_path)).rank(asked) == own
        assert native.scores == pytest.approx(own.scores, abs=1e-4)


@dataclass(frozen=True, slots=True)
class YesNo:
    """What the engine says of the next token: the log-odds of two words."""

    http: EngineHttp

    def of(self, prompt: str) -> float:
        """Of the words at the end of the vocabulary, from all its log-probabilities."""
        # The bias chooses what is said, as half a character has no chances told; those stay.
        chosen = {"n_predict": 1, "logit_bias": [[FIRST_WORD, 1000.0]]}
        body = {"prompt": prompt, "n_probs": 1000, **chosen}
        first = self.http.post("/completion", body)["completion_probabilities"][0]
        found = {one["id"]: float(one["logprob"]) for one in first["top_logprobs"]}
        return found[FIRST_WORD] - found[FIRST_WORD + 1]


class TestAnswers:
    """Models that answer yes or no to a template."""

    @pytest.fixture
    def asker(self, load: Callable[..., Backend], tmp_path: Path) -> LlamaCppBackend:
        """One with the words, and a template for them in its file."""
        weights = tiny.write(
            tmp_path / "yesno.gguf",
            words=("yes", "no"),
            texts={"tokenizer.chat_template.rerank": TEMPLATE},
        )
        backend = load(weights, slots=1)  # two round by who is computed together
        assert isinstance(backend, LlamaCppBackend)
        return backend

    def test_a_score_is_yes_against_no(self, asker: LlamaCppBackend, tmp_path: Path) -> None:
        """To 1e-4 what all logits say, however the words' chances compare with the others'."""
        engine = YesNo(EngineHttp(tmp_path / "backend-0" / "engine.sock"))
        prompts = [f"<|im_start|>Q: cats\nD: {one}<|im_end|>" for one in DOCUMENTS]
        own = [engine.of(prompt) for prompt in prompts]

        raw = asker.rank(RankSpec("cats", DOCUMENTS, normalize=False))
        scaled = asker.rank(RankSpec("cats", DOCUMENTS)).scores

        assert raw.scores == pytest.approx(own, abs=1e-4)
        assert scaled == pytest.approx([1 / (1 + math.exp(-one)) for one in own], abs=1e-4)
        assert raw.prompt_tokens == sum(
            len(one) - len("<|im_start|><|im_end|>") + 2 for one in prompts
        )

    def test_what_does_not_fit_is_named_or_cut(self, asker: LlamaCppBackend) -> None:
        """One token is left for the answer."""
        context = CONTEXT - 1
        room = context - len("Q: qq\nD: ") - 2

        fits = asker.rank(RankSpec("qq", ("b" * room,)))
        with pytest.raises(BeyondRangeError) as caught:
            asker.rank(RankSpec("qq", ("a", "b" * (room + 1))))

        assert caught.value.metadata["limit"] == str(context)
        assert caught.value.violations[0].field == "documents[1]"
        cut = asker.rank(RankSpec("qq", ("b" * 3000,), truncate=True))
        assert fits.prompt_tokens == cut.prompt_tokens == context
        # What the engine has in its cache is rounded otherwise than what it computes anew.
        assert cut.scores == pytest.approx(fits.scores, abs=1e-2)

    def test_the_template_of_the_modelfile_wins(
        self, load: Callable[..., Backend], tmp_path: Path
    ) -> None:
        """A Jinja one, which may read an instruction; one for chats leaves the model's own."""
        weights = tiny.write(
            tmp_path / "yesno.gguf",
            words=("yes", "no"),
            texts={"tokenizer.chat_template.rerank": TEMPLATE},
        )
        jinja = "{{ instruction or 'judge' }} {{ query }} {{ document }}"
        asked = RankSpec("cats", ("dogs",))
        own, chat = load(weights).rank(asked), load(weights, template="{{ messages }}").rank(asked)
        given = load(weights, template=jinja)

        assert chat == own
        assert given.rank(asked).prompt_tokens == len("judge cats dogs")
        assert given.rank(replace(asked, instruction="i")).prompt_tokens == len("i cats dogs")

    def test_a_template_beside_the_weights_is_found(
        self, load: Callable[..., Backend], tmp_path: Path
    ) -> None:
        """By its name in the tokenizer's configuration."""
        beside = tmp_path / "beside"
        beside.mkdir()
        (beside / "tokenizer_config.json").write_text(
            '{"chat_template": [{"name": "reranker", "template": "{query}|{document}"}]}'
        )
        weights = tiny.write(tmp_path / "yesno.gguf", words=("yes", "no"))

        backend = load(weights, tokenizer_folder=str(beside))

        assert backend.rank(RankSpec("cats", ("dogs",))).prompt_tokens == len("cats|dogs")


class TestRefusals:
    """Models that cannot, each with the reason."""

    @pytest.mark.parametrize(
        ("options", "why"),
        [
            ({}, "neither a head"),
            ({"pooling": RANK}, "brings no head"),
            ({"causal": False, "pooling": gguf.PoolingType.MEAN}, "encoder without a head"),
            ({"texts": {"tokenizer.chat_template.rerank": TEMPLATE}}, "no tokens 'yes' and 'no'"),
        ],
    )
    def test_the_reason_is_told(
        self, load: Callable[..., Backend], tmp_path: Path, options: dict[str, Any], why: str
    ) -> None:
        """CAPABILITY_UNSUPPORTED, and what would help."""
        backend = load(tiny.write(tmp_path / "t.gguf", **options))
        with pytest.raises(PreconditionError, match=why) as caught:
            backend.rank(RankSpec("cats", ("dogs",)))

        assert caught.value.metadata["capability"] == "rerank"
        assert caught.value.remedy

    def test_a_head_takes_no_instruction(
        self, load: Callable[..., Backend], tmp_path: Path
    ) -> None:
        """Nothing of it would read one."""
        backend = load(tiny_bert.write(tmp_path / "rank.gguf", pooling=RANK))
        with pytest.raises(PreconditionError, match="nothing of it reads one"):
            backend.rank(RankSpec("cats", ("dogs",), instruction="i"))


def pieces(text: str) -> str:
    """The letters of *text*, each a token of the tiny encoder."""
    return text.replace(" ", "")
