"""What carries out one kind of operation."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from rkd.operations.operation import Operation
from rkd.operations.report import Report


class Runner(Protocol):
    """What carries out one kind of operation."""

    @property
    def resumable(self) -> bool:
        """True when `run` may be called again after a restart and goes on where it was."""

    async def run(self, operation: Operation, report: Report) -> Mapping[str, str]:
        """
        Do it; the result is added to the operation's detail.

        Cancelling the task means stop soon and keep what was done: a pause looks the same.

        Raises:
            RkdError: what the operation then fails with.
        """

    async def discard(self, operation: Operation) -> None:
        """Remove what a cancelled operation left behind; `run` is no longer at work."""
