"""
Operations followed to their end: bars on a terminal, plain lines elsewhere, JSON when asked.

Ctrl-C leaves the operation running on the board and says how to come back.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from rkd_client.errors import UnavailableError
from rkd_client.transport import NO_ANSWER

from rkctl.screen import render
from rkctl.screen.progress import Shown, progress
from rkd.v1 import types_pb2 as types

_RESTING = {types.OPERATION_STATE_PENDING, types.OPERATION_STATE_PAUSED}

Step = TypeVar("Step", bound=Any)


def follow(steps: Iterable[Step], verb: str, *, json: bool) -> Step:
    """
    Show *steps* of an operation until it ends and return the last one.

    Raises:
        RkdError: it failed, was cancelled or rests.
        KeyboardInterrupt: the user left; how to attach again was printed.
    """
    last: Step | None = None
    # Steps are shown as JSON or as progress, never both.
    with _detaching(verb) as seen, progress(quiet=json) as shown:
        for last in steps:
            operation = last.operation
            seen[:] = [operation.id]
            if json:
                render.out(render.to_json(last))
            else:
                _show(shown, operation)
    if last is None:
        raise UnavailableError("UNAVAILABLE", NO_ANSWER)
    return last


def kind_of(operation: types.Operation) -> str:
    """Return `pull`, `create` or `push`."""
    return render.word(types.OperationKind.Name(operation.kind), "OPERATION_KIND_")


def state_of(operation: types.Operation) -> str:
    """Return its state as a word."""
    return render.word(types.OperationState.Name(operation.state), "OPERATION_STATE_")


def _show(shown: Shown, operation: types.Operation) -> None:
    title = f"{kind_of(operation)} {operation.model or operation.source}".strip()
    progress_ = operation.progress
    parts: list[tuple[str, int, int]] = []
    if len(progress_.files) > 1:
        parts = [(one.name, one.done_bytes, one.total_bytes) for one in progress_.files]
    remaining_s = None
    if progress_.HasField("remaining"):
        remaining_s = progress_.remaining.ToNanoseconds() / 1e9
    stage = progress_.stage
    if not stage and operation.state in _RESTING:
        stage = state_of(operation)
    shown.update(title, stage, progress_.done_bytes, progress_.total_bytes, parts)
    shown.speed(progress_.rate_bytes_per_s, remaining_s)


@contextmanager
def _detaching(verb: str) -> Iterator[list[str]]:
    """
    On Ctrl-C, or when the daemon goes, say how to attach.

    The list yielded holds the operation's id once it is known.
    """
    seen: list[str] = []
    try:
        yield seen
    except UnavailableError as error:
        # What is kept on the board outlives the daemon; an operation that failed does not go on.
        if seen and error.reason in {"UNAVAILABLE", "SHUTTING_DOWN"}:
            render.note(f"the {verb} goes on when the daemon is back: rkctl ops attach {seen[0]}")
        raise
    except KeyboardInterrupt:
        if seen:
            render.note(f"\ndetached; the {verb} goes on. Attach again: rkctl ops attach {seen[0]}")
            render.note(f"stop it: rkctl ops cancel {seen[0]}")
        else:
            render.note(f"\ndetached; see with `rkctl ops list` whether the {verb} has begun")
        raise
