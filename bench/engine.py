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
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
AUTO, DEFAULT = "auto", "default"
_CODE = """
import os, signal, sys
from contextlib import ExitStack
from rkd.worker.crowd import Crowd
from rkd.worker.spinning import Spinning
import xllamacpp as x
model, path, slots, threads, context, waiting = sys.argv[1:]
p = x.CommonParams()
p.model.path, p.hostnames, p.n_parallel = model, [path], int(slots)
p.n_ctx = int(context) * int(slots)
p.cpuparams.n_threads = int(threads)
p.ui = p.warmup = p.fit_params = False
p.cache_ram_mib = 0
p.verbosity = -1
signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
server = x.Server(p)
watching = ExitStack()
if waiting == "auto":
    watching.enter_context(Spinning(Crowd()).watched())
print("ready", flush=True)
signal.sigwait({signal.SIGTERM})
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
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        assert self._process.stdout is not None
        self._process.stdout.readline()

    def cpu_s(self) -> float:
        """CPU seconds it took so far, threads that have ended included."""
        return time.clock_gettime((~self._process.pid << 3) | 2)

    def prefer(self, *, realtime: bool) -> None:
        """Give its threads a core before everybody else, or as to everybody; for root."""
        policy = os.SCHED_RR if realtime else os.SCHED_OTHER
        for thread in Path(f"/proc/{self._process.pid}/task").iterdir():
            with suppress(ProcessLookupError):
                os.sched_setscheduler(int(thread.name), policy, os.sched_param(int(realtime)))

    def close(self) -> None:
        """End it."""
        self._process.terminate()
        self._process.wait()
