"""
One thread that talks to the library, one run at a time, and never waits for it without a bound.

A run blocks inside C for as long as it lasts. Ending it early is a request the library may take
its time over, or never answer; then the process is lost and has to end: no other way gives the
NPU back.
"""

from __future__ import annotations

import fcntl
import math
import os
import queue
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn

from rkd.errors import Reason, UnavailableError

ABORT_BOUND_S = 10.0
"""
How long an aborted run may go on: it ends with its prefill (**Source:** rknn-llm #400), on an
RK3588 some 4 s per 1000 tokens; loading the model anew costs about as much as waiting longer.
"""

ABORT_CALL_BOUND_S = 1.2
"""
How long the call that asks for the end may itself take. It only has to leave word; a board that
takes longer is one more thing `docs/board.md` asks about.
"""

ABORT_AGAIN_S = 0.25
"""An abort that comes before the library has begun is forgotten by it, so it is said again."""

LEAVE_S = 0.1
"""How long the worker has to send what it knows before a lost process ends."""

STAY_S = 2.0
"""How long callers of a lost process wait for its end, which explains itself better than they."""

EXIT_WEDGED = 75
"""Exit code of a worker whose library stopped answering (EX_TEMPFAIL of sysexits.h)."""


class Turn:
    """
    One use of the engine, and how it stands.

    Args:
        work: what to do on the engine's thread.
    """

    def __init__(self, work: Callable[[], None]) -> None:
        self._work = work
        self._lock = threading.Lock()
        self._begun = False
        self._abandoned = False
        self._error: BaseException | None = None
        self._notes: queue.SimpleQueue[bool] = queue.SimpleQueue()
        self.over = threading.Event()
        self._aborting: threading.Thread | None = None
        self.asked_s = math.inf
        """Since when the library has been asked to end it and has not come back."""

    def stop(self) -> None:
        """Ask for the end, from any thread; returns at once."""
        self._notes.put(False)

    def carry_out(self) -> None:
        """Do the work, unless it was given up before it began; on the engine's thread."""
        with self._lock:
            if self._abandoned:
                return
            self._begun = True
        try:
            self._work()
        except BaseException as error:  # noqa: BLE001 - raised again by `result`, in its caller
            self._error = error
        finally:
            with self._lock:
                self.over.set()
            self._notes.put(True)

    def abort_by(self, aborting: threading.Thread) -> None:
        """Start *aborting*, which asks the library to end this turn, unless it is over."""
        with self._lock:
            if not self.over.is_set():
                aborting.start()
                self._aborting = aborting

    @property
    def aborting(self) -> threading.Thread | None:
        """Who asked the library to end it; settled once the turn is over."""
        return self._aborting

    def stop_asked(self) -> bool:
        """Wait for the end or for being asked to stop; True for the latter."""
        return not self._notes.get()

    def abandon(self) -> bool:
        """Give the turn up if it has not begun; False when it has."""
        with self._lock:
            self._abandoned = not self._begun
            return self._abandoned

    def result(self) -> None:
        """Raise what the work raised."""
        if self._error is not None:
            raise self._error


class Engine:
    """
    The thread, the lease on the NPU, and the bound on stopping.

    Args:
        lease_path: a file locked by whoever computes on the NPU, in any process; "" for none.
        abort: asks the library to end what runs; may block for ever.
        leave: ends the process; called when the library is lost.
        abort_bound_s: see ABORT_BOUND_S.
        call_bound_s: see ABORT_CALL_BOUND_S.
    """

    def __init__(
        self,
        lease_path: str,
        abort: Callable[[], None],
        *,
        leave: Callable[[int], object] = os._exit,
        abort_bound_s: float = ABORT_BOUND_S,
        call_bound_s: float = ABORT_CALL_BOUND_S,
    ) -> None:
        self._call_bound_s = call_bound_s
        self._lease_path = Path(lease_path) if lease_path else None
        self._abort = abort
        self._leave = leave
        self._abort_bound_s = abort_bound_s
        self._turns: queue.SimpleQueue[Turn | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._serve, name="rkllm", daemon=True)
        self._thread.start()
        self.lost = False
        """Whether the library stopped answering; nothing can be asked of it any more."""
        self.just_aborted = False
        """Whether the turn before this one was aborted; read on the engine's thread."""

    def perform(self, turn: Turn) -> bool:
        """
        Do *turn* after those before it; return when it is over.

        Returns:
            False when it was stopped before it began, or the library did not end it in time.

        Raises:
            UnavailableError: WORKER_CRASHED, when the library was lost before, see `await_end`.
        """
        if self.lost:
            self.await_end()
        self._turns.put(turn)
        if turn.stop_asked() and (turn.abandon() or not self._ended(turn)):
            return False
        turn.result()
        return True

    def close(self) -> bool:
        """End the thread; False when the library keeps it."""
        self._turns.put(None)
        self._thread.join(0.0 if self.lost else self._abort_bound_s)
        return not self._thread.is_alive()

    def await_end(self) -> NoReturn:
        """
        Wait for the lost process to end: whoever asked sees it die, and asks another.

        Raises:
            UnavailableError: WORKER_CRASHED, should it be there still.
        """
        time.sleep(STAY_S)
        raise UnavailableError(
            Reason.WORKER_CRASHED,
            "the NPU runtime stopped answering; its process is about to end",
            remedy="Try again; the model is loaded anew.",
        )

    def _ended(self, turn: Turn) -> bool:
        """Have *turn* aborted; False, and the process on its way out, when that does not help."""
        until_s = time.monotonic() + self._abort_bound_s
        turn.abort_by(
            threading.Thread(
                target=self._keep_aborting, args=(turn,), name="rkllm-abort", daemon=True
            )
        )
        while not turn.over.wait(min(self._call_bound_s, until_s - time.monotonic())):
            now_s = time.monotonic()
            if now_s >= until_s or now_s - turn.asked_s >= self._call_bound_s:
                self._lose()
                return False
        return True

    def _lose(self) -> None:
        self.lost = True
        ending = threading.Timer(LEAVE_S, self._leave, (EXIT_WEDGED,))
        ending.daemon = True
        ending.start()

    def _keep_aborting(self, turn: Turn) -> None:
        while not turn.over.is_set():
            turn.asked_s = time.monotonic()
            self._abort()
            turn.asked_s = math.inf
            turn.over.wait(ABORT_AGAIN_S)

    def _serve(self) -> None:
        while (turn := self._turns.get()) is not None:
            with self._leased():
                turn.carry_out()
            # An abort still on its way would end the next run: that one waits until it is back.
            aborting = turn.aborting
            self.just_aborted = aborting is not None
            if aborting is not None:
                aborting.join(self._call_bound_s)
                if aborting.is_alive():
                    self._lose()
                    return

    @contextmanager
    def _leased(self) -> Iterator[None]:
        """Hold the lease: the kernel serves one IOMMU domain at a time, others wait and fail."""
        if self._lease_path is None:
            yield
            return
        with self._lease_path.open("a") as lease:
            fcntl.flock(lease, fcntl.LOCK_EX)
            yield
