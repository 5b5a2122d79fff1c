"""Rows about ending answers: aborts in time, nothing hangs, memory comes back."""

from __future__ import annotations

import os
import signal

from rkctl.verify.heard import reason_of
from rkctl.verify.probe import Probe
from rkctl.verify.row import Found, differs, holds, not_applicable

ROUNDS = 10
ROUND_STEP_S = 0.03
WORDS = "The keeper of the lighthouse looks at the sea. "
WORD_TOKENS = 10
MOST_PROMPT_TOKENS = 6000


def abort(board: Probe) -> Found:
    """Row 31: `rkllm_abort` comes back in time."""
    before = _fresh(board)
    board.ask(
        board.main,
        "Count to ten thousand, one number after the other.",
        max_tokens=4000,
        stop_after_s=0.3,
    )
    return _same(board, before)


def abort_in_prefill(board: Probe) -> Found:
    """Row 32: an aborted run ends, also while it reads its prompt."""
    before = _fresh(board)
    resident = board.resident(board.main)
    context = resident.context_tokens if resident else 0
    times = max(1, min(context * 3 // 4, MOST_PROMPT_TOKENS) // WORD_TOKENS)
    board.ask(board.main, "Read all of this first: " + WORDS * times, stop_after_s=-0.3)
    return _same(board, before)


def late_aborts(board: Probe) -> Found:
    """Row 33: an abort that comes too late ends no other run."""
    before = _fresh(board)
    silent = 0
    for at in range(ROUNDS):
        board.ask(board.main, "Count to a hundred.", max_tokens=400, stop_after_s=at * ROUND_STEP_S)
        heard = board.ask(board.main, "Say yes.", max_tokens=8)
        if heard.error is not None:
            return differs(reason_of(heard.error))
        silent += not heard.text.strip()
    board.notes["aborts"] = "same" if board.idle_pid(board.main) == before else "replaced"
    seen = f"{ROUNDS - silent} of {ROUNDS} answers after an abort"
    return differs(seen) if silent else holds(seen)


def run_returns(board: Probe) -> Found:
    """Row 34: `rkllm_run` returns after an abort."""
    board.need()
    if "aborts" not in board.notes:
        late_aborts(board)
    match board.notes.get("aborts"):
        case "same":
            return holds("the worker lived through them all")
        case "replaced":
            return differs("the worker had to be replaced")
        case _:
            return not_applicable("the run after an abort failed")


def memory_back(board: Probe) -> Found:
    """Row 35: a killed worker gives its memory back."""
    pid = _fresh(board)
    if not pid:
        return not_applicable("its worker cannot be seen")
    others = [one for one in board.residents() if one.slots_used or one.queued]
    if others:
        return not_applicable("somebody is being answered: no worker is killed")
    try:
        os.kill(pid, signal.SIGKILL)
    except OSError as error:
        return not_applicable(f"its worker cannot be killed from here: {error.strerror}")
    heard = board.ask(board.main, "Say hi after the end.")
    if heard.error is not None:
        again = board.ask(board.main, "Say hi after the end.")
        if again.error is not None:
            return differs(reason_of(again.error))
    return holds("the next worker answers")


def _fresh(board: Probe) -> int:
    """The process of the main model, loaded as by default."""
    board.need()
    if board.resident(board.main) is None:
        board.load(board.main)
    return board.idle_pid(board.main)


def _same(board: Probe, before: int) -> Found:
    after = board.idle_pid(board.main)
    if after == before:
        return holds("the same worker goes on")
    return differs("the worker had to be replaced")
