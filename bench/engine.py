"""
The engine's own server in a process of its own, as the peer of the benchmarks.

How its threads wait is given: `default` as the engine does it when it is told nothing, `auto` as a
worker of rkd does, by the very same code; anything else by the environment.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
AUTO, DEFAULT = "auto", "default"
_CODE = """
import os, sys
from contextlib import nullcontext
from rkd.backend import openmp
from rkd.worker.crowd import Crowd
from rkd.worker.spinning import Spinning
model, path, slots, threads, context, waiting = sys.argv[1:]
if waiting == "auto":
    openmp.switch(os.environ)
import xllamacpp as x
p = x.CommonParams()
p.model.path, p.hostnames, p.n_parallel = model, [path], int(slots)
p.n_ctx = int(context) * int(slots)
p.cpuparams.n_threads = int(threads)
p.ui = p.warmup = p.fit_params = False
p.cache_ram_mib = 0
p.verbosity = -1
server = x.Server(p)
watched = Spinning(Crowd()).watched if waiting == "auto" else nullcontext
print("ready", flush=True)
for line in sys.stdin:  # one line as its answers begin, one as they end
    with watched():
        print("watched", flush=True)
        sys.stdin.readline()
os._exit(0)
"""
_OWN = ("OMP_", "GOMP_", "KMP_")


class EngineProcess:
    """
    One engine, ready when made.

    Args:
        model: a GGUF.
        socket: where it is to listen.
        threads: it computes with.
        slots: answers at once.
        context: tokens of a slot.
        waiting: AUTO, DEFAULT or a name for *environment*.
        environment: further variables.
    """

    def __init__(
        self,
        model: Path,
        socket: Path,
        threads: int,
        *,
        slots: int = 1,
        context: int = 512,
        waiting: str = AUTO,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        clean = {name: value for name, value in os.environ.items() if not name.startswith(_OWN)}
        arguments = [model, socket, slots, threads, context, waiting]
        self._process = subprocess.Popen(
            [sys.executable, "-c", _CODE, *map(str, arguments)],
            env={**clean, **(environment or {}), "PYTHONPATH": str(ROOT)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            bufsize=1,
        )
        self._heard()

    def _heard(self) -> None:
        assert self._process.stdout is not None
        self._process.stdout.readline()

    def _say(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write("\n")

    @contextmanager
    def answering(self) -> Iterator[None]:
        """Around answers: under `auto` it watches its cores meanwhile, as a worker does."""
        self._say()
        self._heard()
        try:
            yield
        finally:
            self._say()

    def cpu_s(self) -> float:
        """CPU seconds it took so far, threads that have ended included."""
        return time.clock_gettime((~self._process.pid << 3) | 2)

    def close(self) -> None:
        """End it."""
        self._process.kill()
        self._process.wait()
