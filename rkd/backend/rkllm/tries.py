"""
Answers tried until one keeps what was asked: for an engine that nothing can hold while it writes.

Only where a request asks for it (`structured_tries`): an answer may cost several, and nothing of
it is heard before it is right. The usage counts all that were made.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from rkd.backend.backend import Emit, RunHandle
from rkd.backend.schema.judging import Judge, demand
from rkd.errors import PreconditionError, Reason
from rkd.inference import (
    Chunk,
    EngineTimings,
    FinishReason,
    Outcome,
    PrefillProgress,
    Run,
    Usage,
)
from rkd.model import Message

Once = Callable[[Run, RunHandle, Emit], Outcome]


def tried(run: Run, handle: RunHandle, emit: Emit, once: Once) -> Outcome:
    """
    Ask up to `run.structured_tries` times, and emit the first answer that is as it was to be.

    Args:
        run: with a constraint or a forced call.
        handle: whether it is still wanted.
        emit: takes the answer, in one piece.
        once: asks the engine for an answer that nothing holds.

    Raises:
        InvalidInputError: INVALID_FIELD, a schema that is none.
        PreconditionError: CAPABILITY_UNSUPPORTED, no answer was right.
    """
    judge = Judge(run)
    asked = demand(judge, run)
    fault = ""
    spent: list[Outcome] = []
    for _ in range(run.structured_tries):
        heard: list[Chunk] = []

        def hear(piece: Chunk | PrefillProgress, heard: list[Chunk] = heard) -> None:
            if isinstance(piece, Chunk):
                heard.append(piece)
            elif not spent:
                emit(piece)

        spent.append(once(_freed(run, asked, fault), handle, hear))
        if handle.cancelled:
            return _total(spent)
        said = Chunk.join(heard) if heard else Chunk()
        fault, kept = _judged(judge, said, spent[-1])
        if not fault:
            emit(kept)
            return _total(spent)
    raise PreconditionError(
        Reason.CAPABILITY_UNSUPPORTED,
        f"None of {len(spent)} answers is what was asked for; of the last one, {fault}.",
        remedy="Ask for more `structured_tries`, or use a GGUF of the model on the CPU "
        "(`--backend cpu`), where a grammar holds every answer.",
        metadata={"capability": "structured_tries", "tries": str(len(spent))},
    )


def _freed(run: Run, asked: str, fault: str) -> Run:
    """*run* held to nothing, and told in its last question what its answer is to be."""
    told = f"{asked}\nAn earlier answer was refused: {fault}." if fault else asked
    free = replace(
        run, sampling=run.sampling.free(), tool_choice="", structured_tries=0, session=None
    )
    places = [at for at, turn in enumerate(run.messages) if turn.role in {"user", "tool"}]
    if not places:
        return free
    at = places[-1]
    turn = run.messages[at]
    turns = list(run.messages)
    if turn.role == "tool":
        turns.insert(at + 1, Message("user", told))
    else:
        turns[at] = replace(turn, content=f"{turn.content}\n\n{told}".strip())
    return replace(free, messages=tuple(turns))


def _judged(judge: Judge, said: Chunk, outcome: Outcome) -> tuple[str, Chunk]:
    """What is wrong with *said*, or ""; and what of it counts."""
    if not judge.tools:
        bare = judge.bare(said.text)
        cut = outcome.reason in {FinishReason.LENGTH, FinishReason.CONTEXT_FULL}
        fault = judge.fault_of_text(bare)
        return (f"it was cut: {fault}" if cut and fault else fault), replace(said, text=bare)
    calls: dict[int, tuple[str, str]] = {}
    for piece in said.tool_calls:
        name, arguments = calls.get(piece.index, ("", ""))
        calls[piece.index] = (name or piece.name, arguments + piece.arguments)
    return judge.fault_of_calls(list(calls.values())), replace(said, text="")


def _total(spent: list[Outcome]) -> Outcome:
    """The last outcome, with what all of them took."""
    last = spent[-1]
    usages, timings = [one.usage for one in spent], [one.timings for one in spent]
    tries = "1 try" if len(spent) == 1 else f"{len(spent)} tries"
    return replace(
        last,
        usage=Usage(
            sum(one.prompt_tokens for one in usages),
            sum(one.cached_tokens for one in usages),
            sum(one.completion_tokens for one in usages),
            sum(one.reasoning_tokens for one in usages),
            sum(one.media_tokens for one in usages),
        ),
        timings=EngineTimings(
            sum(one.prefill_ms for one in timings), sum(one.decode_ms for one in timings)
        ),
        warnings=(
            *last.warnings,
            f"nothing held the answer while it was made: it was judged when whole, after {tries}",
        ),
    )
