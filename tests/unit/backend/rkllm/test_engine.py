"""One thread, one run at a time, and no wait without a bound."""

from __future__ import annotations

import fcntl
import threading
from pathlib import Path

import pytest

from rkd.backend.rkllm.engine import EXIT_WEDGED, Engine, Turn
from rkd.errors import UnavailableError


class FakeLibrary:
    """A run that ends when it is aborted, as often as it takes."""

    def __init__(self, *, aborts_needed: int = 1) -> None:
        self._needed = aborts_needed
        self.aborts = 0
        self.begun = threading.Event()
        self.ended = threading.Event()

    def run(self) -> None:
        """Block like C does."""
        self.begun.set()
        self.ended.wait(30)

    def abort(self) -> None:
        """Ask for the end."""
        self.aborts += 1
        if self.aborts >= self._needed:
            self.ended.set()


class FakeExit:
    """Notes how the process would have ended."""

    def __init__(self) -> None:
        self.code = 0
        self.left = threading.Event()

    def __call__(self, code: int) -> None:
        """End the process."""
        self.code = code
        self.left.set()


def stop_when_begun(library: FakeLibrary, turn: Turn) -> threading.Thread:
    """Stop *turn* from another thread once the library runs."""

    def act() -> None:
        library.begun.wait(10)
        turn.stop()

    thread = threading.Thread(target=act)
    thread.start()
    return thread


def test_turns_come_one_after_the_other() -> None:
    """Two turns asked for at once never overlap."""
    engine = Engine("", lambda: None)
    inside: list[int] = []
    most: list[int] = []

    def work() -> None:
        inside.append(1)
        most.append(len(inside))
        inside.pop()

    threads = [threading.Thread(target=lambda: engine.perform(Turn(work))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert most == [1] * 8
    assert engine.close()


def test_what_the_work_raises_is_raised() -> None:
    """An error on the engine's thread reaches who asked."""
    engine = Engine("", lambda: None)
    turn = Turn(lambda: (_ for _ in ()).throw(ValueError("no")))
    with pytest.raises(ValueError, match="no"):
        engine.perform(turn)

    assert engine.close()


def test_a_stopped_run_is_aborted_until_it_ends() -> None:
    """An abort the library did not hear is said again."""
    library = FakeLibrary(aborts_needed=3)
    engine = Engine("", library.abort)
    turn = Turn(library.run)
    thread = stop_when_begun(library, turn)

    assert engine.perform(turn)
    thread.join()
    assert library.aborts >= 3
    assert engine.close()


def test_a_run_that_does_not_end_costs_the_process() -> None:
    """Past the bound the caller goes on, later ones are refused, and the process ends."""
    library, leave = FakeLibrary(aborts_needed=10**9), FakeExit()
    engine = Engine("", library.abort, leave=leave, abort_bound_s=0.2)
    turn = Turn(library.run)
    thread = stop_when_begun(library, turn)

    assert not engine.perform(turn)
    with pytest.raises(UnavailableError, match="stopped answering"):
        engine.perform(Turn(library.run))
    assert leave.left.wait(10)
    assert leave.code == EXIT_WEDGED
    assert not engine.close()
    thread.join()
    library.ended.set()


def test_an_abort_that_does_not_return_costs_the_process() -> None:
    """The run ended by itself, but the abort never came back: its handle may not be used again."""
    library, leave = FakeLibrary(), FakeExit()
    release = threading.Event()

    def abort() -> None:
        library.ended.set()
        release.wait(30)

    engine = Engine("", abort, leave=leave, abort_bound_s=0.2, call_bound_s=0.2)
    turn = Turn(library.run)
    thread = stop_when_begun(library, turn)

    engine.perform(turn)
    assert leave.left.wait(10)
    assert (engine.lost, leave.code) == (True, EXIT_WEDGED)
    release.set()
    thread.join()


def test_an_abort_that_hangs_is_given_up_soon() -> None:
    """A call that only has to leave word and does not come back is not waited for as long."""
    library, leave = FakeLibrary(), FakeExit()
    release = threading.Event()
    engine = Engine(
        "", lambda: bool(release.wait(30)), leave=leave, abort_bound_s=30, call_bound_s=0.1
    )
    turn = Turn(library.run)
    thread = stop_when_begun(library, turn)

    assert not engine.perform(turn)
    assert leave.left.wait(10)
    release.set()
    library.ended.set()
    thread.join()


def test_an_abort_on_its_way_keeps_the_next_turn_back() -> None:
    """The next run does not begin while an abort meant for the one before may still strike."""
    library = FakeLibrary()
    back = threading.Event()
    order: list[str] = []

    def abort() -> None:
        library.ended.set()
        back.wait(10)
        order.append("abort is back")

    engine = Engine("", abort)
    turn = Turn(library.run)
    thread = stop_when_begun(library, turn)
    engine.perform(turn)
    late = threading.Timer(0.05, back.set)
    late.start()
    engine.perform(Turn(lambda: order.append(f"next, after an abort: {engine.just_aborted}")))

    assert order == ["abort is back", "next, after an abort: True"]
    thread.join()
    late.join()
    assert engine.close()


def test_the_lease_is_waited_for_and_given_back(tmp_path: Path) -> None:
    """Nothing runs while another process computes; a cancelled wait ends at once."""
    path = tmp_path / "npu.lock"
    ran: list[str] = []
    with path.open("w") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        engine = Engine(str(path), lambda: None)
        turn = Turn(lambda: ran.append("cancelled"))
        turn.stop()

        assert not engine.perform(turn)
    engine.perform(Turn(lambda: ran.append("then")))

    assert ran == ["then"]
    assert engine.close()
    with path.open("w") as other:
        fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
