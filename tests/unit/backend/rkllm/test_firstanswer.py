"""A few tokens, judged."""

from __future__ import annotations

import pytest

from rkd.backend.backend import Emit, RunHandle
from rkd.backend.rkllm.firstanswer import hear, judge
from rkd.errors import Reason, RkdError, UnavailableError, bad_field
from rkd.inference import Chunk, FinishReason, FirstAnswer, Outcome, Run, Sampling

ANSWERED, SILENT, GARBAGE = FirstAnswer.ANSWERED, FirstAnswer.SILENT, FirstAnswer.GARBAGE


@pytest.mark.parametrize(
    ("ids", "text", "expected"),
    [
        ((), "", SILENT),
        ((7,) * 8, "&&&&&&&&", GARBAGE),
        ((0,) * 8, "", GARBAGE),
        ((7,) * 4, "!!!!", GARBAGE),
        ((7,) * 3, "ha ha ha", ANSWERED),
        ((1, 2, 3, 4), "&& &&&&", GARBAGE),
        ((1, 2, 3, 4, 5), "\ufffd\ufffd\ufffd", GARBAGE),
        ((1, 2, 3, 4), "\x00\x01\x02a", GARBAGE),
        ((1, 2, 3, 4, 5, 6, 7, 8), "Monday, Tuesday", ANSWERED),
        ((1, 2, 3, 4), "1111", ANSWERED),
        ((1, 2, 3, 4, 5), "星期一、星期二", ANSWERED),
        ((1, 2, 3), "Grüße 👋🏽 \ufffd", ANSWERED),
        ((1, 2), "", ANSWERED),
        ((9,), "</s>", ANSWERED),
        ((1, 2, 3, 4), "<think>\n\n</think>", ANSWERED),
        ((5, 6, 5, 6), "- a\n- b\n", ANSWERED),
    ],
)
def test_answers_and_garbage(ids: tuple[int, ...], text: str, expected: FirstAnswer) -> None:
    """One token over and over, or no text at all, is garbage; whatever else may be an answer."""
    verdict, why = judge(ids, text)

    assert verdict is expected
    assert bool(why) is (expected is GARBAGE)


class FakeEngine:
    """Says what it is told to, or fails."""

    def __init__(self, *pieces: Chunk, error: RkdError | None = None) -> None:
        self.pieces = pieces
        self.error = error
        self.asked: list[Run] = []

    def __call__(self, run: Run, handle: RunHandle, emit: Emit) -> Outcome:
        """Answer."""
        self.asked.append(run)
        handle.on_cancel(lambda: None)
        if self.error:
            raise self.error
        for piece in self.pieces:
            emit(piece)
        return Outcome(FinishReason.LENGTH)


def test_what_is_asked() -> None:
    """A handful of tokens, sampled as the model was loaded, reasoning and text together."""
    engine = FakeEngine(Chunk(reasoning="Mon", token_ids=(1,)), Chunk(text="day", token_ids=(2,)))

    assert hear(engine, Sampling(temperature=0.3, stop=("M",)), 5) == (ANSWERED, "")
    (run,) = engine.asked
    assert run.sampling == Sampling(temperature=0.3, max_tokens=5)
    assert run.messages


def test_a_run_that_fails_is_no_answer() -> None:
    """With the engine's own words; a question that does not suit the model tells nothing."""
    broken = UnavailableError(Reason.WORKER_CRASHED, "the NPU runtime gave up on the run: -1")

    assert hear(FakeEngine(error=broken), Sampling(), 8) == (GARBAGE, broken.message)
    unfit = bad_field("messages", "the template wants none")
    assert hear(FakeEngine(error=unfit), Sampling(), 8) == (FirstAnswer.NOT_HEARD, "")
