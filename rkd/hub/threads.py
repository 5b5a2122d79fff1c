"""
Blocking work beside the loop, in threads that never hold up the end of the process.

The loop's own executor is joined when the process ends: a hub that does not answer would keep a
stopping daemon for as long as its time limit. These threads die with the process; what they leave
on disk is whole at every instant.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import ParamSpec, TypeVar

from rkd.errors import Reason, UnavailableError

_P = ParamSpec("_P")
_Result = TypeVar("_Result")


class _Ended:
    """Takes whatever ended the block, to be raised at who waits for it."""

    error: BaseException | None = None

    def __enter__(self) -> None:
        """Begin."""

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> bool:
        """Keep the error and go on."""
        self.error = error
        return True


ANSWER_WAIT_S = 300.0
"""Longest wait for what only asks: each question inside has shorter limits of its own, but a hub
that sends its headers a byte at a time passes them all."""


STALL_S = 3600.0
"""Without a byte for so long a transfer is given up, whatever its own tries are waiting for."""


class Moved:
    """
    Knows when a transfer moved last; told from its thread, asked on the loop.

    Args:
        clock: monotonic seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._at_s = clock()

    def noting(self, tell: Callable[_P, None]) -> Callable[_P, None]:
        """Give *tell* so that each call of it counts as a move."""

        def told(*args: _P.args, **kwargs: _P.kwargs) -> None:
            self._at_s = self._clock()
            tell(*args, **kwargs)

        return told

    async def ended(
        self, transfer: asyncio.Future[_Result], *, within_s: float, what: str
    ) -> _Result:
        """
        Wait for the end of *transfer*, as long as something moves; cancelling leaves it.

        Raises:
            UnavailableError: HUB_UNREACHABLE: nothing moved for *within_s*.
        """
        while not transfer.done():
            left_s = within_s - (self._clock() - self._at_s)
            if left_s <= 0:
                raise UnavailableError(
                    Reason.HUB_UNREACHABLE,
                    f"nothing moved for {within_s:g} s: {what}",
                    remedy="Try again: what is there is not sent twice.",
                )
            await asyncio.wait({transfer}, timeout=left_s)
        return transfer.result()


async def left_behind(transfer: asyncio.Future[_Result], *, within_s: float) -> None:
    """Wait a moment for *transfer*, which was told to stop; whatever it ends with is no news."""
    await asyncio.wait({transfer}, timeout=within_s)
    transfer.cancel()
    transfer.add_done_callback(_heard)


def _heard(transfer: asyncio.Future[_Result]) -> None:
    """Take the error nobody waits for, so that it is not reported as unheard."""
    if not transfer.cancelled():
        transfer.exception()


async def asking(
    act: Callable[[], _Result], *, name: str, within_s: float = ANSWER_WAIT_S
) -> _Result:
    """
    Run *act*, which only asks the hub, in a thread of its own; returns and raises what it does.

    Raises:
        UnavailableError: HUB_UNREACHABLE: it took longer than *within_s*; the thread is left.
    """
    try:
        async with asyncio.timeout(within_s):
            return await in_thread(act, name=name)
    except TimeoutError:
        raise UnavailableError(
            Reason.HUB_UNREACHABLE,
            f"the hub did not answer within {within_s:g} s",
            remedy="Check the network and HF_ENDPOINT; what is here already stays usable.",
            retry_after_s=30,
        ) from None


async def in_thread(act: Callable[[], _Result], *, name: str) -> _Result:
    """
    Run *act* in a thread of its own; returns and raises what it does.

    Cancelling leaves the thread behind: whoever cancels also has to tell *act* to stop.
    """
    loop = asyncio.get_running_loop()
    future: asyncio.Future[_Result] = loop.create_future()

    def settle(results: list[_Result], error: BaseException | None) -> None:
        if future.cancelled():
            return
        if error is not None:
            future.set_exception(error)
        else:
            future.set_result(results[0])

    def run() -> None:
        ended, results = _Ended(), list[_Result]()
        with ended:
            results.append(act())
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
            loop.call_soon_threadsafe(settle, results, ended.error)

    threading.Thread(target=run, name=name, daemon=True).start()
    return await future
