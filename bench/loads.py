"""Loads beside what is measured: busy loops, bursts of them, another engine that answers."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from bench.answer import tokens_within
from bench.engine import AUTO, DEFAULT, EngineProcess

_LOOP = "while True: pass"
_BURST = """
import sys, time
half = float(sys.argv[1])
while True:
    now = time.time()
    if now // half % 2:
        time.sleep(half - now % half)
"""
"""Busy every other *half* by the wall clock: several of them are busy together."""
SETTLED_S = 0.3
PIECE_S = 5.0


@contextmanager
def loops(count: int, *, half_s: float = 0.0) -> Iterator[None]:
    """So many busy loops; with *half_s* busy for that long, then asleep for as long."""
    code = [_BURST, str(half_s)] if half_s else [_LOOP]
    others = [subprocess.Popen([sys.executable, "-c", *code]) for _ in range(count)]
    try:
        time.sleep(SETTLED_S)
        yield
    finally:
        for one in others:
            one.kill()
            one.wait()


@contextmanager
def another(model: Path, waiting: str) -> Iterator[None]:
    """Another engine with *model* that answers all the time, on all cores."""
    with tempfile.TemporaryDirectory(prefix="rkd-bench-") as folder:
        path = Path(folder) / "other.sock"
        engine = EngineProcess(model, path, os.cpu_count() or 1, context=1024, waiting=waiting)
        over = threading.Event()

        def ask() -> None:
            with engine.answering():
                while not over.is_set():
                    tokens_within(path, PIECE_S, over)

        asking = threading.Thread(target=ask)
        asking.start()
        try:
            time.sleep(SETTLED_S)
            yield
        finally:
            over.set()
            asking.join()
            engine.close()


@dataclass(frozen=True, slots=True)
class Load:
    """
    One of the grid's.

    Args:
        name: for people.
        beside: makes it for a model, for as long as its block takes.
        window_s: how long an answer beside it is counted; whole bursts.
    """

    name: str
    beside: Callable[[Path], AbstractContextManager[None]]
    window_s: float


def _beside(count: int, half_s: float = 0.0) -> Callable[[Path], AbstractContextManager[None]]:
    return lambda _model: loops(count, half_s=half_s)


_CORES = os.cpu_count() or 1
IDLE = Load("idle", lambda _model: nullcontext(), 1.0)
LOADS = (
    IDLE,
    Load("one loop", _beside(1), 2.0),
    Load("a loop a core", _beside(_CORES), 2.0),
    Load("two loops a core", _beside(2 * _CORES), 2.0),
    Load("0.1 s bursts", _beside(_CORES, 0.1), 2.0),
    Load("1 s bursts", _beside(_CORES, 1.0), 4.0),
    Load("another worker", partial(another, waiting=AUTO), 2.0),
    Load("another engine, spinning", partial(another, waiting=DEFAULT), 2.0),
)
"""Of bursts there are as many as cores, all at the same time."""
