"""
A thread of the library's own that calls us again and again stays known to Python in between.

For a thread that Python did not make, ctypes makes a thread state at each call and throws it away
behind it: two system calls and 0.05 ms (x86-64), a third of what a token costs the worker. One
more claim on the state, taken at the first call and given back at the last, keeps it.
"""

from __future__ import annotations

import ctypes
import threading
from typing import Any

from rkd.backend.rkllm.abi_shared import LLMCallState
from rkd.backend.rkllm.runtime import Sink

MOST_LOST = 16
"""States kept for threads that ended without a last call, 20 kB each; no more after that."""

_LAST = frozenset({LLMCallState.RKLLM_RUN_FINISH.value, LLMCallState.RKLLM_RUN_ERROR.value})
_LOCKED = 0
"""PyGILState_LOCKED: who gives back goes on. **Source:** CPython's pystate.h."""


class ForeignThreads:
    """Keeps the states of the threads that call one library; used by one run at a time."""

    def __init__(self) -> None:
        # Lies in the state itself: a new one, of the next thread with the same number, has none.
        self._here = threading.local()
        self._kept = 0

    @property
    def kept(self) -> int:
        """How many states are kept now, or were lost."""
        return self._kept

    def around(self, sink: Sink) -> Sink:
        """Return *sink* for a run that is begun by the calling thread."""
        caller = threading.get_ident()

        def staying(result: Any, state: int) -> None:
            if state in _LAST:
                try:
                    sink(result, state)
                finally:
                    self._leave()
                return
            if not getattr(self._here, "stays", False) and threading.get_ident() != caller:
                self._stay()
            sink(result, state)

        return staying

    def _stay(self) -> None:
        if self._kept < MOST_LOST:
            self._kept += 1
            ctypes.pythonapi.PyGILState_Ensure()
            self._here.stays = True

    def _leave(self) -> None:
        if getattr(self._here, "stays", False):
            self._here.stays = False
            self._kept -= 1
            ctypes.pythonapi.PyGILState_Release(_LOCKED)
