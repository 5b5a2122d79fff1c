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
from collections.abc import Callable
from types import TracebackType
from typing import TypeVar

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
