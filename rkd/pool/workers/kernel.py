"""What the kernel tells of a worker's process: how it ended, what it holds."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

from rkd.pool.deciding.state import Death


def death_of(code: int, lines: tuple[str, ...], why: str = "") -> Death:
    """
    Say how a process ended.

    Args:
        code: as asyncio tells it: an exit code, or a signal's number, negative.
        lines: what it last printed.
        why: what for the daemon killed it, or "".
    """
    if code >= 0:
        return Death(f"exited with code {code}", exit_code=code, last_lines=lines)
    try:
        name = signal.Signals(-code).name
    except ValueError:
        name = f"signal {-code}"
    description = f"ended by rkd: {why}" if why else f"killed by {name}"
    return Death(description, signal=name, last_lines=lines)


def memory_bytes(pid: int) -> int:
    """Resident memory of *pid* and of an engine it has started; 0 when unknown."""
    return sum(_resident_bytes(one) for one in (pid, *_children(pid)))


def _children(pid: int) -> tuple[int, ...]:
    try:
        text = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii")
    except OSError:
        return ()
    return tuple(int(word) for word in text.split())


def _resident_bytes(pid: int) -> int:
    try:
        fields: list[Any] = Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()
    except OSError:
        return 0
    return int(fields[1]) * os.sysconf("SC_PAGE_SIZE")
