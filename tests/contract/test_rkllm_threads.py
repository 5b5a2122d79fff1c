"""A thread of the library's own stays known to Python from its first call to its last."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from rkd.backend.rkllm.foreign import MOST_LOST, ForeignThreads
from rkd.backend.rkllm.runtime import InitParams, RunParams, Runtime
from rkd.librkllmrt import identify
from tests.native import standin

TOKENS = 5


class Counting:
    """Counts the calls that found the state of the one before; it lies in that state."""

    def __init__(self) -> None:
        self._here = threading.local()
        self.found: list[int] = []

    def __call__(self, _result: Any, _state: int) -> None:
        """Take one call."""
        before = getattr(self._here, "calls", 0)
        self.found.append(before)
        self._here.calls = before + 1


@pytest.fixture
def runtime(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Runtime]:
    """A stand-in with a model that behaves as the test says."""
    settings: dict[str, object] = getattr(request, "param", {})
    path = standin.weights(tmp_path / "m.rkllm", answer="count", tokens=TOKENS, **settings)
    made = Runtime(identify(standin.build("1.3.0")))
    made.init(InitParams(str(path), 4096, 0xF0))
    yield made
    made.destroy()


def asked(runtime: Runtime, threads: ForeignThreads) -> Counting:
    """Run once."""
    counting = Counting()
    runtime.run(RunParams(text="x"), threads.around(counting))
    return counting


def test_a_state_is_made_once_a_run(runtime: Runtime) -> None:
    """Each call of a run finds the state of the one before; the last call gives it back."""
    threads = ForeignThreads()
    for _ in range(3):
        assert asked(runtime, threads).found == list(range(TOKENS + 1))
        assert threads.kept == 0


def test_without_it_every_call_makes_one(runtime: Runtime) -> None:
    """What ctypes does by itself: this is what is saved."""
    counting = Counting()
    runtime.run(RunParams(text="x"), counting)
    assert counting.found == [0] * (TOKENS + 1)


@pytest.mark.parametrize("runtime", [{"finish": 0}], indirect=True)
def test_threads_that_say_no_last_word(runtime: Runtime) -> None:
    """A few states are lost with them, and then no more are kept; every call still comes."""
    threads = ForeignThreads()
    for _ in range(MOST_LOST + 3):
        assert len(asked(runtime, threads).found) == TOKENS
    assert threads.kept == MOST_LOST


@pytest.mark.parametrize("runtime", [{"thread": "caller"}], indirect=True)
def test_threads_of_our_own(runtime: Runtime) -> None:
    """Who began the run is known to Python anyway."""
    threads = ForeignThreads()
    assert asked(runtime, threads).found == list(range(TOKENS + 1))
    assert threads.kept == 0


def test_a_sink_that_fails_at_the_last_call(runtime: Runtime) -> None:
    """The state is given back all the same."""
    threads = ForeignThreads()

    def failing(_result: Any, _state: int) -> None:
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        runtime.run(RunParams(text="x"), threads.around(failing))
    assert threads.kept == 0
