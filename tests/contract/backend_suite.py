"""
What every Backend must do, whoever implements it and whether a worker stands between or not.

A member is a test module that defines the fixture `subject` and a class deriving from
`BackendSuite`; see `test_llamacpp.py`.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field, replace

import pytest

from rkd.backend.backend import Backend
from rkd.errors import BeyondRangeError, InvalidInputError, PreconditionError, Reason
from rkd.inference import (
    Chunk,
    EmbedSpec,
    FinishReason,
    Loaded,
    LoadSpec,
    Outcome,
    PrefillProgress,
    RankSpec,
    Run,
    Sampling,
)
from rkd.model import Message
from rkd.worker.handle import Handle

BOUND_S = 30.0


ABILITIES = frozenset({"tokenize", "embed", "grammar", "logprobs", "logit_bias", "seed"})


@dataclass(slots=True)
class Subject:
    """
    One backend under test.

    Args:
        make: gives a fresh, unloaded backend.
        spec: loads a small model with a small context.
        bad_weights: path of a file the engine refuses.
        able: what the engine can do; the rest is CAPABILITY_UNSUPPORTED, never ignored.
    """

    make: Callable[[], Backend]
    spec: LoadSpec
    bad_weights: str
    prompt: str = "Tell me something."
    able: frozenset[str] = ABILITIES


@dataclass(slots=True)
class Recorded:
    """A run carried to its end, with everything it said."""

    chunks: list[Chunk] = field(default_factory=list)
    prefills: list[PrefillProgress] = field(default_factory=list)
    outcome: Outcome = field(default_factory=lambda: Outcome(FinishReason.CANCELLED))

    @property
    def text(self) -> str:
        """The visible text."""
        return "".join(chunk.text for chunk in self.chunks)


def carried_out(
    backend: Backend,
    run: Run,
    *,
    handle: Handle | None = None,
    on_chunk: Callable[[Recorded], None] = lambda _recorded: None,
) -> Recorded:
    """Run to the end on this thread."""
    recorded = Recorded()

    def emit(piece: Chunk | PrefillProgress) -> None:
        if isinstance(piece, Chunk):
            recorded.chunks.append(piece)
            on_chunk(recorded)
        else:
            recorded.prefills.append(piece)

    recorded.outcome = backend.run(run, handle or Handle(), emit)
    return recorded


def some_piece_of(text: str) -> str:
    """Two or three characters from the middle of *text*, none of them a broken one."""
    middle = len(text) // 3
    for size in (3, 2):
        for at in range(middle, len(text) - size):
            piece = text[at : at + size]
            if "\ufffd" not in piece:
                return piece
    raise AssertionError(f"no whole characters side by side in {text!r}")


class BackendSuite:
    """The checks; a member may override a value, never a check."""

    @pytest.fixture
    def loaded(self, subject: Subject) -> object:
        """The subject's backend with its model loaded, closed afterwards."""
        backend = subject.make()
        try:
            yield backend, backend.load(subject.spec, lambda _progress: None)
        finally:
            backend.close()

    def greedy(self, subject: Subject, max_tokens: int | None = 24, **changes: object) -> Run:
        """A run that always gives the same text."""
        sampling = replace(Sampling(temperature=0, seed=1, max_tokens=max_tokens), **changes)
        return Run(sampling=sampling, messages=(Message("user", subject.prompt),))

    def test_load_tells_what_it_achieved(
        self, subject: Subject, loaded: tuple[Backend, Loaded]
    ) -> None:
        """A load answers with the context and slots asked for, and names its runtime."""
        _, told = loaded

        assert subject.spec.context_tokens == told.context_tokens
        assert subject.spec.slots == told.slots
        assert told.runtime

    def test_length_ends_the_run(self, subject: Subject, loaded: tuple[Backend, Loaded]) -> None:
        """A run ends with LENGTH at max_tokens, and its usage counts exactly those."""
        backend, _ = loaded

        recorded = carried_out(backend, self.greedy(subject, max_tokens=9))

        assert recorded.outcome.reason is FinishReason.LENGTH
        assert recorded.outcome.usage.completion_tokens == 9
        assert recorded.outcome.usage.prompt_tokens > 0
        assert recorded.text

    def test_no_tokens_asked_for(self, subject: Subject, loaded: tuple[Backend, Loaded]) -> None:
        """max_tokens 0 reads the prompt and says nothing."""
        backend, _ = loaded

        recorded = carried_out(backend, self.greedy(subject, max_tokens=0))

        assert recorded.text == ""
        assert recorded.outcome.reason is FinishReason.LENGTH
        assert recorded.outcome.usage.completion_tokens == 0

    def test_greedy_repeats(self, subject: Subject, loaded: tuple[Backend, Loaded]) -> None:
        """Temperature 0 gives the same text twice."""
        backend, _ = loaded

        first = carried_out(backend, self.greedy(subject))
        second = carried_out(backend, self.greedy(subject))

        assert first.text == second.text

    def test_stop_sequence_is_never_emitted(
        self, subject: Subject, loaded: tuple[Backend, Loaded]
    ) -> None:
        """The answer ends right before the stop sequence, wherever tokens cut it."""
        backend, _ = loaded
        whole = carried_out(backend, self.greedy(subject)).text
        stop = some_piece_of(whole)

        recorded = carried_out(backend, self.greedy(subject, stop=(stop, "never said")))

        assert recorded.text == whole[: whole.index(stop)]
        assert recorded.outcome.reason is FinishReason.STOP_SEQUENCE
        assert recorded.outcome.matched_stop == stop

    def test_seed_is_echoed(self, subject: Subject, loaded: tuple[Backend, Loaded]) -> None:
        """Where seeds exist, equal seeds give equal texts and the outcome tells the seed."""
        backend, _ = loaded
        if "seed" not in subject.able:
            with pytest.raises(PreconditionError) as refused:
                carried_out(backend, self.greedy(subject, seed=7, temperature=1.0))
            assert refused.value.reason is Reason.CAPABILITY_UNSUPPORTED
            return
        run = self.greedy(subject, seed=7, temperature=1.0)

        first, second = carried_out(backend, run), carried_out(backend, run)

        assert first.text == second.text
        assert first.outcome.seed == 7

    def test_cancel_stops_at_once(self, subject: Subject, loaded: tuple[Backend, Loaded]) -> None:
        """After a cancel nothing more is emitted, and the next run is its own."""
        backend, _ = loaded
        expected = carried_out(backend, self.greedy(subject)).text
        handle = Handle()

        def cancel_at_third(recorded: Recorded) -> None:
            if len(recorded.chunks) == 3:
                handle.cancel()

        # Eight answers, each as long as the context: one could be over before the cancel is seen.
        run = replace(self.greedy(subject, max_tokens=None), answers=8)
        cut = carried_out(backend, run, handle=handle, on_chunk=cancel_at_third)
        after = carried_out(backend, self.greedy(subject))

        assert cut.outcome.reason is FinishReason.CANCELLED
        assert len(cut.chunks) == 3
        assert after.text == expected

    def test_cancelled_before_it_began(
        self, subject: Subject, loaded: tuple[Backend, Loaded]
    ) -> None:
        """A run cancelled before it starts says nothing."""
        backend, _ = loaded
        handle = Handle()
        handle.cancel()

        recorded = carried_out(backend, self.greedy(subject), handle=handle)

        assert recorded.chunks == []
        assert recorded.outcome.reason is FinishReason.CANCELLED

    def test_prompt_too_long(self, loaded: tuple[Backend, Loaded]) -> None:
        """A prompt over the context is refused with both numbers."""
        backend, told = loaded
        run = Run(
            sampling=Sampling(max_tokens=1),
            messages=(Message("user", "word " * told.context_tokens),),
        )

        with pytest.raises(BeyondRangeError) as refused:
            carried_out(backend, run)

        assert refused.value.reason is Reason.CONTEXT_LENGTH_EXCEEDED
        assert int(refused.value.metadata["limit"]) <= told.context_tokens
        assert int(refused.value.metadata["prompt_tokens"]) > told.context_tokens

    def test_runs_at_once_are_not_mixed(
        self, subject: Subject, loaded: tuple[Backend, Loaded]
    ) -> None:
        """As many runs as there are slots, and two more, each give their own text."""
        backend, told = loaded
        questions = [f"{subject.prompt} {at}" for at in range(told.slots + 2)]

        def run_of(question: str) -> Run:
            return replace(self.greedy(subject), messages=(Message("user", question),))

        expected = [carried_out(backend, run_of(one)).text for one in questions]
        found = [""] * len(questions)

        def answer(at: int) -> None:
            found[at] = carried_out(backend, run_of(questions[at])).text

        threads = [threading.Thread(target=answer, args=(at,)) for at in range(len(questions))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(BOUND_S)

        assert expected == found

    def test_context_full(self, subject: Subject, loaded: tuple[Backend, Loaded]) -> None:
        """Without max_tokens a run that never stops by itself ends when the context is full."""
        backend, told = loaded

        recorded = carried_out(backend, self.greedy(subject, max_tokens=None))

        used = recorded.outcome.usage
        if recorded.outcome.reason is not FinishReason.STOP_EOS:
            assert recorded.outcome.reason is FinishReason.CONTEXT_FULL
            assert abs(told.context_tokens - used.prompt_tokens - used.completion_tokens) <= 2

    def test_unsupported_is_refused(self, subject: Subject, loaded: tuple[Backend, Loaded]) -> None:
        """What the engine cannot do is refused by name, never ignored."""
        backend, _ = loaded
        attempts: list[tuple[str, Callable[[], object]]] = [
            ("embed", lambda: backend.embed(EmbedSpec(("text",)))),
            ("rank", lambda: backend.rank(RankSpec("query", ("text",)))),
            (
                "grammar",
                lambda: carried_out(backend, self.greedy(subject, grammar='root ::= "yes"')),
            ),
            ("grammar", lambda: carried_out(backend, self.greedy(subject, regex="[ab]{2}"))),
            ("grammar", lambda: carried_out(backend, self.greedy(subject, choices=("a", "b")))),
            ("grammar", lambda: carried_out(backend, self.greedy(subject, ignore_eos=True))),
            ("seed", lambda: carried_out(backend, self.greedy(subject, dry_multiplier=0.5))),
            ("seed", lambda: carried_out(backend, self.greedy(subject, xtc_probability=0.5))),
            ("seed", lambda: carried_out(backend, self.greedy(subject, top_n_sigma=1.0))),
            ("seed", lambda: carried_out(backend, self.greedy(subject, dynatemp_range=0.5))),
            ("logprobs", lambda: carried_out(backend, self.greedy(subject, logprobs=1))),
            (
                "logit_bias",
                lambda: carried_out(backend, self.greedy(subject, logit_bias=((5, 1.0),))),
            ),
        ]
        for ability, attempt in attempts:
            if ability in subject.able:
                attempt()
                continue
            with pytest.raises(PreconditionError) as refused:
                attempt()
            assert refused.value.reason is Reason.CAPABILITY_UNSUPPORTED

    def test_a_stop_token_ends_the_run(
        self, subject: Subject, loaded: tuple[Backend, Loaded]
    ) -> None:
        """The answer ends before it, and its id is told; the next run is its own."""
        backend, _ = loaded
        whole = carried_out(backend, replace(self.greedy(subject), token_ids=True))
        ids = [token for chunk in whole.chunks for token in chunk.token_ids]
        stop = ids[len(ids) // 2]

        recorded = carried_out(backend, self.greedy(subject, stop_token_ids=(stop,)))
        after = carried_out(backend, self.greedy(subject))

        assert recorded.outcome.reason is FinishReason.STOP_SEQUENCE
        assert recorded.outcome.matched_token_id == stop
        assert whole.text.startswith(recorded.text.rstrip("\ufffd"))
        assert recorded.outcome.usage.completion_tokens <= ids.index(stop) + 1
        assert after.text == whole.text

    def test_what_a_modelfile_asks_for_alone_is_no_refusal(
        self, subject: Subject, loaded: tuple[Backend, Loaded]
    ) -> None:
        """It is shared by all engines: one that lacks it says so and goes on."""
        backend, _ = loaded
        run = self.greedy(subject, min_p=0.0125, of_model=("min_p",))
        run = replace(run, sampling=replace(run.sampling, seed=None))

        warnings = carried_out(backend, run).outcome.warnings

        assert any("min_p" in one for one in warnings) is ("seed" not in subject.able)

    def test_tokens_are_accounted_for(
        self, subject: Subject, loaded: tuple[Backend, Loaded]
    ) -> None:
        """The chunks together stand for the completion's tokens."""
        backend, _ = loaded

        recorded = carried_out(backend, self.greedy(subject, max_tokens=16))

        told = sum(chunk.tokens for chunk in recorded.chunks)
        assert told == recorded.outcome.usage.completion_tokens

    def test_tokens_there_and_back(self, subject: Subject, loaded: tuple[Backend, Loaded]) -> None:
        """Where there is a tokenizer, text survives tokenize and detokenize."""
        backend, _ = loaded
        if "tokenize" not in subject.able:
            with pytest.raises(PreconditionError):
                backend.tokenize("text", add_special=False, parse_special=False)
            return
        text = "Grüße, 世界 🙂"

        ids = backend.tokenize(text, add_special=False, parse_special=False)

        assert backend.detokenize(ids) == text

    @pytest.mark.parametrize("token_id", [-1, 2**31 - 1])
    def test_an_unknown_token_is_refused(
        self, subject: Subject, loaded: tuple[Backend, Loaded], token_id: int
    ) -> None:
        """The model has no such token: the caller's mistake, named by its place."""
        backend, _ = loaded
        if "tokenize" not in subject.able:
            return
        known = backend.tokenize("a", add_special=False, parse_special=False)
        with pytest.raises(InvalidInputError) as caught:
            backend.detokenize((*known, token_id))
        assert caught.value.reason is Reason.INVALID_FIELD

    def test_an_empty_text_has_no_vector(
        self, subject: Subject, loaded: tuple[Backend, Loaded]
    ) -> None:
        """It is refused by its place, and the next one is embedded."""
        backend, _ = loaded
        if "embed" not in subject.able:
            return
        with pytest.raises(InvalidInputError) as caught:
            backend.embed(EmbedSpec(("text", "")))
        assert caught.value.reason is Reason.INVALID_FIELD
        ((*vector,),) = (backend.embed(EmbedSpec(("text",))).vectors,)
        with pytest.raises(InvalidInputError, match="dimensions"):
            backend.embed(EmbedSpec(("text",), dimensions=len(vector) + 100_000))

    def test_bad_weights_are_refused(self, subject: Subject) -> None:
        """A file that is no model fails the load with LOAD_FAILED, and closing is safe twice."""
        backend = subject.make()

        with pytest.raises(PreconditionError) as refused:
            backend.load(replace(subject.spec, weights=subject.bad_weights), lambda _p: None)
        backend.close()
        backend.close()

        assert refused.value.reason is Reason.LOAD_FAILED
