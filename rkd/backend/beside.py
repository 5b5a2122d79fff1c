"""Work that is done beside other work, where both take long and one of them holds no lock."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Generic, TypeVar

_T = TypeVar("_T")


class Beside(Generic[_T]):
    """
    Does *work* on a thread of its own, from now on.

    Args:
        work: what to do; what it raises is raised by `result`.
        name: of the thread.
    """

    def __init__(self, work: Callable[[], _T], name: str) -> None:
        self._work = work
        self._done: list[_T] = []
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._do, name=name, daemon=True)
        self._thread.start()

    def result(self) -> _T:
        """Wait until it is done and return what came of it."""
        self._thread.join()
        if self._error is not None:
            raise self._error
        return self._done[0]

    def _do(self) -> None:
        try:
            self._done.append(self._work())
        except BaseException as error:  # noqa: BLE001 - raised where it is waited for
            self._error = error
