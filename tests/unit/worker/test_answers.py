"""Several answers to one run: numbered, seeded one after the other, summed, cancelled."""

from __future__ import annotations

from collections.abc import Callable

from rkd.backend.backend import Emit
from rkd.inference import (
    Chunk,
    EngineTimings,
    FinishReason,
    Outcome,
    PrefillProgress,
    Run,
    Sampling,
    Usage,
)
from rkd.worker.answers import answered
from rkd.worker.handle import Handle


class Engine:
    """Answers with the seed it was given; may be told to do something in the middle."""

    def __init__(self, midway: Callable[[int], None] = lambda _at: None) -> None:
        self.runs: list[Run] = []
        self._midway = midway

    def answer(self, run: Run, emit: Emit) -> Outcome:
        """Make one."""
        at = len(self.runs)
        self.runs.append(run)
        emit(PrefillProgress(10, 10 * bool(at), 0))
        emit(Chunk(f"seed {run.sampling.seed}", tokens=at + 1))
        self._midway(at)
        return Outcome(
            FinishReason.STOP_EOS if at else FinishReason.LENGTH,
            Usage(10, 9 * bool(at), at + 1, at),
            EngineTimings(1.0, 2.0),
            seed=run.sampling.seed or 99,
            warnings=("same", f"own {at}"),
        )


def test_one_answer_is_the_engines_own() -> None:
    """Nothing is put around it."""
    heard: list[object] = []
    run = Run(Sampling(seed=3), prompt="p")
    outcome = answered(run, Engine().answer, Handle(), heard.append)

    assert outcome.answers == ()
    assert heard == [PrefillProgress(10, 0, 0), Chunk("seed 3", tokens=1)]


def test_each_piece_says_whose_it_is() -> None:
    """The prompt's progress comes once; seeds follow each other."""
    heard: list[object] = []
    run = Run(Sampling(seed=2**32 - 3), prompt="p", answers=3)
    answered(run, Engine().answer, Handle(), heard.append)

    assert heard == [
        PrefillProgress(10, 0, 0),
        Chunk("seed 4294967293", tokens=1, answer=0),
        Chunk("seed 4294967294", tokens=2, answer=1),
        Chunk("seed 0", tokens=3, answer=2),
    ]


def test_the_whole_is_the_first_ones_end_and_the_sum() -> None:
    """Usage summed with the prompt once, and each one's own beside it; no warning twice."""
    run = Run(Sampling(seed=7), prompt="p", answers=3)
    outcome = answered(run, Engine().answer, Handle(), lambda _: None)

    assert (outcome.reason, outcome.seed) == (FinishReason.LENGTH, 7)
    assert outcome.usage == Usage(10, 0, 1 + 2 + 3, 0 + 1 + 2)
    assert outcome.timings == EngineTimings(3.0, 6.0)
    assert outcome.warnings == ("same", "own 0", "own 1", "own 2")
    assert [one.seed for one in outcome.answers] == [7, 8, 9]
    assert [one.usage.cached_tokens for one in outcome.answers] == [0, 9, 9]


def test_no_seed_stays_none() -> None:
    """The engine draws one for each; one that knows none is not given any."""
    engine = Engine()
    answered(Run(prompt="p", answers=2), engine.answer, Handle(), lambda _: None)

    assert [run.sampling.seed for run in engine.runs] == [None, None]
    assert [run.answers for run in engine.runs] == [1, 1]


def test_a_cancel_ends_them_all() -> None:
    """The one under way ends, and no further one begins."""
    handle = Handle()
    engine = Engine(lambda at: handle.cancel() if at == 1 else None)
    outcome = answered(Run(prompt="p", answers=5), engine.answer, handle, lambda _: None)

    assert len(engine.runs) == len(outcome.answers) == 2
