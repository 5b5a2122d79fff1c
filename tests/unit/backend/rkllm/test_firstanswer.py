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


@pytest.mark.parametrize(
    ("ids", "text", "expected"),
    [
        (range(8), "nan nan nan nan nan", GARBAGE),
        (range(8), "\x01a\x02b\x03c\x04d", GARBAGE),
        (range(8), "", GARBAGE),
        (range(8), "!?!?!?!?", GARBAGE),
        (range(8), "\ue000\ue001abc", GARBAGE),
        ((3,) * 8, "\n" * 8, SILENT),
        (range(8), " \t\n \n", SILENT),
        ((0,) * 8, "Monday, Tuesday,", ANSWERED),
        (range(8), "星期一、星期二、星期三", ANSWERED),
        (range(8), "👨\u200d👩\u200d👧 पढ़\u200dना", ANSWERED),
        (range(8), "1. 2. 3. 4.", ANSWERED),
        (range(8), "Sunday\nSunday\nMonday", ANSWERED),
        (range(8), "הימים הם\ufffd", ANSWERED),
    ],
)
def test_other_kinds_of_both(ids: range | tuple[int, ...], text: str, expected: str) -> None:
    """Controls, words that are none and silence; scripts, joiners and ids that tell nothing."""
    assert judge(tuple(ids), text)[0] is expected


@pytest.mark.parametrize(
    ("said", "expected"),
    [("!!!!", ANSWERED), ("ha ha ha ha", ANSWERED), ("\x00\x01\x02", GARBAGE)],
)
def test_what_has_an_end_may_be_meant(said: str, expected: FirstAnswer) -> None:
    """What is broken goes on for all the tokens it is let."""
    assert judge((7,) * 4, said, ended=True)[0] is expected
    engine = FakeEngine(*(Chunk(text=one, token_ids=(7,)) for one in said.split() or [said]))

    assert hear(engine, Sampling(), 8)[0] is expected


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
