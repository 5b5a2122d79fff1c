"""Several answers to one run, one after the other: the engine finds the prompt in its cache."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from rkd.backend.backend import Emit, RunHandle
from rkd.inference import Chunk, EngineTimings, FinishReason, Outcome, PrefillProgress, Run, Usage

SEEDS = 2**32 - 1
"""There are so many: the engine reads 2^32-1 as "draw one"."""

Answer = Callable[[Run, Emit], Outcome]
"""Makes one answer."""


def answered(run: Run, answer: Answer, handle: RunHandle, emit: Emit) -> Outcome:
    """
    Make all answers of *run*, each chunk with its number; a cancel ends the one under way.

    A seed given is the first answer's, the next has the seed after it.
    """
    if run.answers <= 1:
        return answer(run, emit)
    outcomes: list[Outcome] = []
    for at in range(run.answers):
        outcomes.append(answer(_seeded(run, at), _numbered(emit, at)))
        if handle.cancelled:
            break
    return summed(tuple(outcomes))


def summed(outcomes: tuple[Outcome, ...]) -> Outcome:
    """
    Return how several answers ended, as one: the first one's end, and the sum of what they took.

    The prompt is counted once, as the first answer read it.
    """
    first = outcomes[0]
    usages = [one.usage for one in outcomes]
    cancelled = outcomes[-1].reason is FinishReason.CANCELLED
    return replace(
        first,
        reason=FinishReason.CANCELLED if cancelled else first.reason,
        usage=Usage(
            first.usage.prompt_tokens,
            first.usage.cached_tokens,
            sum(one.completion_tokens for one in usages),
            sum(one.reasoning_tokens for one in usages),
            first.usage.media_tokens,
        ),
        timings=EngineTimings(
            sum(one.timings.prefill_ms for one in outcomes),
            sum(one.timings.decode_ms for one in outcomes),
        ),
        warnings=tuple(dict.fromkeys(said for one in outcomes for said in one.warnings)),
        answers=outcomes,
        keeping=outcomes[-1].keeping,
    )


def _seeded(run: Run, at: int) -> Run:
    """The run of one answer; its conversation is written behind the last alone."""
    seed = run.sampling.seed
    session = run.session
    if session is not None and at < run.answers - 1:
        session = replace(session, name="")
    one = replace(run, answers=1, session=session)
    if seed is None:
        return one
    return replace(one, sampling=replace(run.sampling, seed=(seed + at) % SEEDS))


def _numbered(emit: Emit, at: int) -> Emit:
    def numbered(piece: Chunk | PrefillProgress) -> None:
        if isinstance(piece, Chunk):
            emit(replace(piece, answer=at))
        elif not at:
            emit(piece)

    return numbered
