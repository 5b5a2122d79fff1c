"""
What ties a worker's life to its daemon's, and makes it the first to go when memory runs out.

End of file on the socket is the leash; this is its second strand, for the seconds in which an
engine holds the interpreter's lock and no Python thread can see the end of file.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
from pathlib import Path

_PR_SET_PDEATHSIG = 1
"""Source: linux/prctl.h. The signal follows the *thread* that forked us, so the daemon spawns
workers from its main thread (rkllama #117 turned it off for that reason)."""

OOM_SCORE_ADJ = 800
"""Of 1000: a worker goes before anything else, the daemon (200 in its unit) stays."""


def die_with_parent() -> None:
    """Ask the kernel to kill this process when its parent ends; kept over exec, not over fork."""
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


def tie(parent_pid: int) -> bool:
    """
    Tie this process to the one that started it; False when that one is gone already.

    Args:
        parent_pid: the daemon's, as it said itself: it may have died before we could ask.
    """
    die_with_parent()
    return os.getppid() == parent_pid


def offer_to_oom() -> None:
    """Raise our own oom_score_adj; raising needs no privilege."""
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text(str(OOM_SCORE_ADJ), encoding="ascii")
