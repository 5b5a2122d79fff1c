"""
A few tokens, heard when a model first meets a library: an answer, or garbage?

A load that went well proves little: files of one release are `&&&&` on another (rkllama issue
102), others abort in their first run (rknn-llm issues 111, 129). These tokens belong to no request
and are counted in none: they are part of the time the load took.
"""

from __future__ import annotations

import threading
import unicodedata
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
"""So many of one letter or digit are none any more, nor are so many tokens without a sign."""

ODD_SHARE = 3
"""One of so many characters may be odd: the last one may be cut in the middle."""

_ODD = frozenset({"Cc", "Cn", "Co", "Cs"})
"""Controls, private and half characters, and what is none; joiners (Cf) belong to scripts."""

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
    return judge(ids, "".join(texts), ended=len(ids) < tokens and not patience.cancelled)


def judge(token_ids: Sequence[int], text: str, *, ended: bool = False) -> tuple[FirstAnswer, str]:
    """
    Say whether these tokens are an answer, and if not why; pure.

    Args:
        token_ids: of the tokens.
        text: they are, as far as anybody may see them.
        ended: the model had nothing more to say. What is broken goes on: `!!!!` and an end may be
            meant.
    """
    said = "".join(letter for letter in text if not letter.isspace() or _is_odd(letter))
    if not token_ids or (text and not said):
        return FirstAnswer.SILENT, ""
    fault = _odd(said) or ("" if ended else _endless(token_ids, said, text))
    return (FirstAnswer.GARBAGE, fault) if fault else (FirstAnswer.ANSWERED, "")


def _odd(said: str) -> str:
    odd = sum(map(_is_odd, said))
    most = odd * 2 > len(said) or (odd > 1 and odd * ODD_SHARE >= len(said))
    return "bytes that are no text" if most else ""


def _is_odd(letter: str) -> bool:
    blank = letter in "\t\n\r"
    return letter == "\ufffd" or (not blank and unicodedata.category(letter) in _ODD)


def _endless(token_ids: Sequence[int], said: str, text: str) -> str:
    """What is wrong with an answer that would have gone on, or ""."""
    tokens, signs, rounds = len(token_ids), len(said), _rounds(said)
    # The text as well: nobody has said that every release gives every token's id.
    if tokens >= FEW and len(set(token_ids)) == 1 and (signs < FEW or rounds > 1):
        return f"one token {tokens} times"
    if tokens >= MANY and not text:
        return f"{tokens} tokens without text"
    if rounds == signs >= FEW and (signs >= MANY or not said[0].isalnum()):
        return f"{said[0]!r} {signs} times"
    if tokens >= MANY and rounds >= FEW:
        return f"{said[: signs // rounds]!r} {rounds} times"
    return ""


def _rounds(said: str) -> int:
    """How often *said* is one piece over and over; the last time it may be cut."""
    for size in range(1, len(said) // 2 + 1):
        if said == (said[:size] * len(said))[: len(said)]:
            return len(said) // size
    return 1


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
