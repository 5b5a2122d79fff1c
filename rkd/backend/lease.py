"""
The lease on the NPU: a file locked by whoever computes on it, in any process.

The kernel's driver serves one IOMMU domain at a time; others wait for six seconds and fail.
**Source:** rknpu driver 0.9.8; airockchip/rknn-llm issue 315.
"""

from __future__ import annotations

import fcntl
import time
from pathlib import Path
from typing import IO

BOUND_S = 300.0
"""Longest wait for the lease: a run of somebody else's is over by then, or was left behind."""
STEP_S = 0.01


def take(path: str, *, bound_s: float = BOUND_S) -> IO[str] | None:
    """
    Take the lease at *path*; closing what is returned gives it back. "" needs none.

    Raises:
        TimeoutError: another process kept it for longer than *bound_s*.
    """
    if not path:
        return None
    lease = Path(path).open("a", encoding="ascii")  # noqa: SIM115 - the caller's to close
    until_s = time.monotonic() + bound_s
    while True:
        try:
            fcntl.flock(lease, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > until_s:
                lease.close()
                raise TimeoutError("another process keeps the NPU") from None
            time.sleep(STEP_S)
        else:
            return lease
