"""Where the library's blocking work is done, and how its errors become ours."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import ParamSpec, TypeVar

from rkd.library import refusals
from rkd.library.integrity import Advance

_P = ParamSpec("_P")
_T = TypeVar("_T")


class Threads:
    """
    One thread for everything short, some for what takes minutes.

    Args:
        root: the models folder, for the errors.
        long_at_once: how many of the latter; more wait.
    """

    def __init__(self, root: Path, long_at_once: int) -> None:
        self._root = root
        self._short = ThreadPoolExecutor(1, thread_name_prefix="rkd-library")
        self._long = ThreadPoolExecutor(long_at_once, thread_name_prefix="rkd-library-long")

    async def on_disk(self, work: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs) -> _T:
        """Run *work* in the library's thread; errors of the disk become ours."""
        loop = asyncio.get_running_loop()
        with self._our_errors():
            return await loop.run_in_executor(self._short, partial(work, *args, **kwargs))

    async def at_length(self, work: Callable[[Advance], _T]) -> _T:
        """
        Run *work*, which may take minutes, where it holds nobody up, and end it with its caller.

        *work* calls what it is given with every piece of bytes.
        """
        gone = threading.Event()

        def advance(_bytes: int) -> None:
            if gone.is_set():
                raise InterruptedError("nobody waits for it any more")

        try:
            with self._our_errors():
                return await asyncio.get_running_loop().run_in_executor(self._long, work, advance)
        finally:
            gone.set()

    async def close(self) -> None:
        """End both; what they are doing is finished first."""
        for pool in (self._short, self._long):
            await asyncio.to_thread(pool.shutdown, wait=True, cancel_futures=True)

    @contextlib.contextmanager
    def _our_errors(self) -> Iterator[None]:
        try:
            yield
        except (FileExistsError, FileNotFoundError):
            raise
        except OSError as error:
            raise refusals.disk(error, self._root) from error
