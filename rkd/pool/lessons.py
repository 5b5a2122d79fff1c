"""
What loads and runs taught, kept for the next ones: memory taken, libraries that got on with files.

Lives on the loop's thread; files are written off it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from rkd.events import Event, Publish, Topic
from rkd.pool.calibration import Calibration
from rkd.pool.deciding.runtimes import Came, after_death
from rkd.pool.deciding.state import Death, Phase, Residence
from rkd.pool.pairings import Pairings


class Lessons:
    """
    Notes what happened to residents.

    Args:
        calibration: what models were seen to take.
        pairings: how NPU libraries got on with weights.
        publish: the event log.
        own: runs a task that somebody waits for at the end.
    """

    def __init__(
        self,
        calibration: Calibration,
        pairings: Pairings,
        publish: Publish,
        own: Callable[[Coroutine[Any, Any, None]], None],
    ) -> None:
        self._calibration = calibration
        self._pairings = pairings
        self._publish = publish
        self._own = own
        self._saving = asyncio.Lock()
        """The later word is written last."""

    def took(self, resident: Residence | None) -> None:
        """Remember what a worker that has served took at most."""
        if resident is None or not resident.served:
            return
        taken = resident.bare_bytes or resident.seen_bytes
        if self._calibration.record(resident.plan.calibration_key, taken):
            self._own(self._save(self._calibration.save, "measured memory"))

    def came(self, resident: Residence | None, came: Came | None, detail: str = "") -> None:
        """Remember what came of the library and the weights of *resident*."""
        plan = resident.plan if resident else None
        if plan is None or plan.library is None or came is None:
            return
        if self._pairings.note(plan.fingerprint, plan.library, came, detail):
            self._own(self._save(self._pairings.save, "what libraries did"))

    def died(self, resident: Residence | None, death: Death) -> None:
        """Remember the death of a worker that was ready; only the first word of it counts."""
        if resident is not None and resident.phase in {Phase.READY, Phase.DRAINING}:
            self.came(resident, after_death(death, served=resident.served), death.description)

    def forgive(self, fingerprint: str) -> None:
        """Forget what went wrong with a file."""
        if self._pairings.forgive(fingerprint):
            self._own(self._save(self._pairings.save, "what libraries did"))

    async def _save(self, save: Callable[[], None], what: str) -> None:
        try:
            async with self._saving:
                await asyncio.to_thread(save)
        except OSError as error:
            detail = (("message", f"{what} cannot be kept: {error}"),)
            self._publish(Event(Topic.SYSTEM, "failed", "calibration", detail))
