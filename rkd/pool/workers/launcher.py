"""
Starts worker processes, each in a private folder, and waits for their Hello.

Lives on the event loop of the main thread: the kernel's parent-death signal follows the thread
that forked.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import socket
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import rkd
from rkd.errors import Reason, UnavailableError
from rkd.model import BackendKind
from rkd.pool.deciding.state import LoadPlan
from rkd.pool.workers.lastwords import LastWords
from rkd.pool.workers.process import WorkerProcess

HELLO_BOUND_S = 30.0
"""A worker says Hello after 0.1 s; a board that swaps may take longer."""


NOT_FOR_WORKERS = frozenset(
    {"HF_TOKEN", "NOTIFY_SOCKET", "WATCHDOG_PID", "WATCHDOG_USEC", "LISTEN_FDS"}
)
"""Secrets and rights of the daemon's that no engine needs."""


class Launcher:
    """
    Starts workers; implements `rkd.pool.workers.handle.LaunchWorker`.

    Args:
        folder: where workers get their private folders; swept here, at construction.
        environment: for the workers, usually the daemon's own.
        on_line: takes what a worker prints: model, pid, line.
        confined: workers that hold a model change nothing outside their folder and connect to
            nobody, where the kernel can see to it.
    """

    def __init__(
        self,
        folder: Path,
        environment: Mapping[str, str],
        on_line: Callable[[str, int, str], None],
        *,
        confined: bool = True,
    ) -> None:
        _end_leftovers(folder)
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(mode=0o700, parents=True)
        self._folder = folder
        self._on_line = on_line
        self._confined = confined
        ours = str(Path(rkd.__file__).parents[1])
        known = environment.get("PYTHONPATH", "")
        found = f"{ours}{os.pathsep}{known}" if known else ours
        kept = {name: value for name, value in environment.items() if name not in NOT_FOR_WORKERS}
        self._environment = {**kept, "PYTHONPATH": found}

    async def __call__(self, plan: LoadPlan) -> WorkerProcess:
        """Start a worker for *plan*; returns when it has said Hello."""
        return await self.start(plan.spec.model, self._options(plan))

    async def start(self, label: str, options: Sequence[str] = ()) -> WorkerProcess:
        """
        Start a worker.

        Args:
            label: names it in the log.
            options: of `rkd.worker` besides those every worker has.

        Raises:
            WorkerDiedError: it ended before its Hello.
            UnavailableError: it did not say Hello in time.
        """
        worker = await self._spawned(label, options)
        await self._greeted(worker, HELLO_BOUND_S)
        return worker

    async def ahead(self, kind: BackendKind) -> WorkerProcess:
        """Start a worker that imports what the engine of *kind* needs and waits for `become`."""
        return await self._spawned(f"spare {kind}", ["--ahead", kind])

    async def become(self, spare: WorkerProcess, plan: LoadPlan, bound_s: float) -> None:
        """
        Tell a worker started `ahead` that it is for *plan*; returns when it has said Hello.

        Raises:
            WorkerDiedError: it has ended.
            UnavailableError: it did not say Hello within *bound_s*; it is ended then.
        """
        spare.become(self._options(plan), self._line_of(plan.spec.model, spare.pid))
        await self._greeted(spare, bound_s)

    def _options(self, plan: LoadPlan) -> list[str]:
        options = ["--memory-bytes", str(plan.need.limit_bytes)]
        if self._confined:
            options.append("--confined")
        if lease := plan.spec.npu_lease_path:
            options += ["--lease", lease]
        return options

    def _line_of(self, label: str, pid: int) -> Callable[[str], None]:
        return lambda line: self._on_line(label, pid, line)

    async def _spawned(self, label: str, options: Sequence[str]) -> WorkerProcess:
        ours, theirs = socket.socketpair()
        folder = Path(tempfile.mkdtemp(dir=self._folder))
        words = LastWords()
        try:
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                *("-m", "rkd.worker", "--fd", str(theirs.fileno()), "--parent", str(os.getpid())),
                *options,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=words.writer,
                stderr=words.writer,
                pass_fds=(theirs.fileno(),),
                cwd=folder,
                env={**self._environment, "TMPDIR": str(folder)},
                start_new_session=True,
            )
        except BaseException:  # a cancelled start, too, leaves nothing behind
            ours.close()
            words.close()
            shutil.rmtree(folder, ignore_errors=True)
            raise
        finally:
            theirs.close()
            words.close_writer()
        words.listen(self._line_of(label, process.pid))
        worker = WorkerProcess(process, folder, words)
        await asyncio.get_running_loop().create_unix_connection(lambda: worker, sock=ours)
        return worker

    @staticmethod
    async def _greeted(worker: WorkerProcess, bound_s: float) -> None:
        try:
            async with asyncio.timeout(bound_s):
                await worker.hello
        except TimeoutError as error:
            await worker.close(kill=True)
            raise UnavailableError(
                Reason.WORKER_CRASHED, f"A worker did not start within {bound_s:.0f} s."
            ) from error
        except BaseException:
            await worker.close(kill=True)
            raise


def _end_leftovers(folder: Path) -> None:
    """
    Kill what still works below *folder*: the workers of a life of the daemon that has ended.

    They end by themselves, by the end of file and by the kernel's parent-death signal; one that was
    stopped (SIGSTOP) before it had asked for that signal does neither.
    """
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with suppress(OSError):  # gone, or somebody else's
                if folder in (entry / "cwd").readlink().parents:
                    os.kill(int(entry.name), signal.SIGKILL)
