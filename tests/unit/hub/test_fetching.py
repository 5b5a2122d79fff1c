"""Fetches beside the loop end, also where nothing comes."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from rkd.errors import Reason, UnavailableError
from rkd.hub.fetching import Fetching
from rkd.hub.mover import Mover, Wanted
from rkd.hub.stop import StopSign
from rkd.hub.threads import asking

WANTED = Wanted("org/x", "c" * 40, "x.gguf", 10, "sha256", "a" * 64)


class SilentMover(Mover):
    """Waits for a hub that says nothing."""

    def __init__(self) -> None:
        self.stopped = threading.Event()

    def fetch(
        self, wanted: Wanted, target: Path, *, progress: Callable[[int], None], stop: StopSign
    ) -> None:
        """Wait until told to stop."""
        del wanted, target, progress
        try:
            stop.wait(60)
        finally:
            self.stopped.set()


async def test_a_fetch_without_a_byte_is_given_up(tmp_path: Path) -> None:
    """After the stated time, and its thread is told to stop."""
    mover = SilentMover()
    fetching = Fetching(mover, stall_s=0.05)
    with pytest.raises(UnavailableError, match="nothing moved for") as caught:
        await fetching.fetch(WANTED, tmp_path / "x", progress=lambda _: None)

    assert caught.value.reason is Reason.HUB_UNREACHABLE
    assert mover.stopped.wait(10)


async def test_a_question_without_an_answer_is_given_up() -> None:
    """Whatever the thread inside still waits for."""
    release = threading.Event()
    with pytest.raises(UnavailableError, match="did not answer"):
        await asking(lambda: release.wait(60), name="rkd-test", within_s=0.05)
    release.set()
