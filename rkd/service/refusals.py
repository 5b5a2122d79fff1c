"""Which ends of a call are ours to turn into an answer."""

from __future__ import annotations

import asyncio

from rkd.service.running import Running


def is_cancel(error: BaseException, running: Running) -> bool:
    """
    Say whether *error* is the end another client asked for by id, and take it back if so.

    Everything else that cancels a task - the client gone, its deadline, shutdown - stays.
    """
    if not isinstance(error, asyncio.CancelledError) or not running.cancelled:
        return False
    return running.task.uncancel() == 0
