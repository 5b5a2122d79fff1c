"""Whether a run is still wanted: set by the reading thread, watched by the run's own."""

from __future__ import annotations

import threading
from collections.abc import Callable


class Handle:
    """One run's cancellation; implements `rkd.backend.backend.RunHandle`."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._cancelled = False
        self._act: Callable[[], None] | None = None

    @property
    def cancelled(self) -> bool:
        """True once nobody wants the run's tokens any more."""
        return self._cancelled

    def on_cancel(self, act: Callable[[], None]) -> None:
        """Call *act* when the run is cancelled, at once if it already is; the last one given."""
        with self._lock:
            self._act = act
            now = self._cancelled
        if now:
            act()

    def cancel(self) -> None:
        """Say that the run is no longer wanted; only the first time counts."""
        with self._lock:
            if self._cancelled:
                return
            self._cancelled = True
            act = self._act
        if act is not None:
            act()
