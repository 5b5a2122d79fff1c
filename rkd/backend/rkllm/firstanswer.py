"""
A few tokens, heard when a model first meets a library: an answer, or garbage?

A load that went well proves little: files of one release are `&&&&` on another (rkllama issue
102), others abort in their first run (rknn-llm issues 111, 129). These tokens belong to no request
and are counted in none: they are part of the time the load took.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import replace

from rkd.backend.backend import Emit, RunHandle
from rkd.errors import BeyondRangeError, InvalidInputError, PreconditionError, RkdError
from rkd.inference import Chunk, FirstAnswer, Outcome, PrefillProgress, Run, Sampling
from rkd.model import Message

QUESTION = "Name the days of the week."
BOUND_S = 20.0
"""Longest wait for them, that for the NPU's lease included; then the load goes on without."""

FEW = 4
"""Fewer tokens or characters of one kind may be an answer yet."""

MANY = 8
"""So many of one letter or digit are none any more."""

_ODD = "\ufffd"

Generate = Callable[[Run, RunHandle, Emit], Outcome]


def hear(generate: Generate, sampling: Sampling, tokens: int) -> tuple[FirstAnswer, str]:
    """
    Ask *generate* for that many tokens and judge them; the verdict, and why it is no answer.

    Args:
        generate: `RkllmBackend.run`.
        sampling: as the model was loaded with, so that old libraries need not load it anew.
        tokens: how many; 8 are enough to tell one token repeated from an answer, half a second on
            the slowest models.
    """
    ids: list[int] = []
    texts: list[str] = []

    def take(piece: Chunk | PrefillProgress) -> None:
        if isinstance(piece, Chunk):
            ids.extend(piece.token_ids)
            texts.append(piece.reasoning + piece.text)

    run = Run(replace(sampling, max_tokens=tokens, stop=()), messages=(Message("user", QUESTION),))
    patience = _Patience(BOUND_S)
    try:
        with patience:
            generate(run, patience, take)
    except (PreconditionError, InvalidInputError, BeyondRangeError):
        return FirstAnswer.NOT_HEARD, ""  # the question does not suit it: nothing is known
    except RkdError as error:
        return FirstAnswer.GARBAGE, error.message
    if patience.cancelled and not ids:
        return FirstAnswer.NOT_HEARD, ""
    return judge(ids, "".join(texts))


def judge(token_ids: Sequence[int], text: str) -> tuple[FirstAnswer, str]:
    """Say whether these tokens are an answer, and if not why; pure."""
    if not token_ids:
        return FirstAnswer.SILENT, ""
    if len(token_ids) >= FEW and len(set(token_ids)) == 1:
        return FirstAnswer.GARBAGE, f"one token {len(token_ids)} times"
    said = "".join(text.split())
    odd = sum(1 for letter in said if letter == _ODD or not letter.isprintable())
    if odd * 2 > len(said):
        return FirstAnswer.GARBAGE, "bytes that are no text"
    if len(said) >= FEW and len(set(said)) == 1 and (len(said) >= MANY or not said.isalnum()):
        return FirstAnswer.GARBAGE, f"{said[0]!r} {len(said)} times"
    return FirstAnswer.ANSWERED, ""


class _Patience:
    """A run nobody but the clock cancels; implements `rkd.backend.backend.RunHandle`."""

    def __init__(self, bound_s: float) -> None:
        self.cancelled = False
        self._act: Callable[[], None] | None = None
        self._timer = threading.Timer(bound_s, self._cancel)
        self._timer.daemon = True

    def on_cancel(self, act: Callable[[], None]) -> None:
        """Remember what ends the run."""
        self._act = act
        if self.cancelled:
            act()

    def __enter__(self) -> None:
        self._timer.start()

    def __exit__(self, *_: object) -> None:
        self._timer.cancel()

    def _cancel(self) -> None:
        self.cancelled = True
        if self._act is not None:
            self._act()
