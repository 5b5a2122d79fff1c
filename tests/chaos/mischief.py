"""What goes wrong: one thing after the other, by the dice."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
from collections.abc import Awaitable, Callable
from contextlib import suppress

from tests.chaos.board import Board
from tests.hub.store import Fault

FAULTS = ("drop", "reset", "corrupt", "short", "no-range", "captive", "size", "close", "stall")


class Mischief:
    """
    Does harm to a board.

    Args:
        board: the victim.
        disk: whether its disk may be made full.
    """

    def __init__(self, board: Board, *, disk: bool) -> None:
        self._board = board
        self._dice = board.dice
        self.done: list[str] = []
        self._kinds: list[Callable[[], Awaitable[None]]] = [
            self.kill_a_worker,
            self.kill_a_worker,
            self.stop_a_worker,
            self.end_the_daemon,
            self.drop_files,
            self.spoil_a_folder,
            self.break_the_hub,
            self.end_the_hub,
        ]
        if disk:
            self._kinds.append(self.fill_the_disk)

    async def go_on(self, over: Callable[[], bool]) -> None:
        """Do one thing after the other until all is over."""
        while not over():
            await asyncio.sleep(0.2 + self._dice.random())
            act = self._dice.choice(self._kinds)
            self.done.append(act.__name__)
            await act()

    def _worker(self) -> int | None:
        workers = self._board.workers() if self._board.up else []
        return self._dice.choice(workers) if workers else None

    async def kill_a_worker(self) -> None:
        """A worker is gone from one moment to the next."""
        pid = self._worker()
        if pid is not None:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    async def stop_a_worker(self) -> None:
        """A worker hangs; now and then it comes back to itself."""
        pid = self._worker()
        if pid is None:
            return
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGSTOP)
            if self._dice.random() < 0.5:
                await asyncio.sleep(self._dice.random() * 2)
                os.kill(pid, signal.SIGCONT)

    async def end_the_daemon(self) -> None:
        """The daemon is killed, or told to stop, and comes back."""
        await self._board.end(self._dice.choice((signal.SIGKILL, signal.SIGTERM)))
        await asyncio.sleep(self._dice.random() * 0.3)
        await self._board.start()

    async def drop_files(self) -> None:
        """Somebody copies files into the folder of the models: good ones, bad ones, odd ones."""
        models = self._board.daemon.models
        number = self._dice.randrange(3)
        with suppress(OSError):
            (models / f"dropped-{number}.gguf").write_bytes(self._dice.randbytes(2000))
            odd = models / f"odd-{number}"
            odd.mkdir(exist_ok=True)
            (odd / "Modelfile").write_bytes(b"FROM ./x.gguf\nTEMPLATE \xff\xfe{{ \n")
            (odd / "x.gguf").write_bytes(b"GGUF" + self._dice.randbytes(500))
            (odd / ".rkd.json").write_bytes(b"[" * 5000)
            pipe = odd / "tokenizer.json"
            if not pipe.exists():
                pass

    async def spoil_a_folder(self) -> None:
        """A folder is deleted behind the daemon's back, or its Modelfile is written anew."""
        models = self._board.daemon.models
        kind = self._dice.choice(("copy", "odd", "dropped"))
        victim = models / f"{kind}-{self._dice.randrange(3)}"
        if self._dice.random() < 0.5:
            await asyncio.to_thread(shutil.rmtree, victim, ignore_errors=True)
        else:
            with suppress(OSError):
                (victim / "Modelfile").write_text("FROM ./nothing.gguf\n", encoding="utf-8")

    async def break_the_hub(self) -> None:
        """The next answers of the hub are wrong."""
        what = self._dice.choice(FAULTS)
        where = self._dice.choice(("cdn", "resolve", "api"))
        self._board.hub.break_with(Fault(where, what, at_bytes=self._dice.randrange(1 << 20)))
        self._board.hub.store.released.set()

    async def end_the_hub(self) -> None:
        """The hub is gone for a moment."""
        await asyncio.to_thread(self._board.hub.stop)
        await asyncio.sleep(self._dice.random())
        await asyncio.to_thread(self._board.hub.start)

    async def fill_the_disk(self) -> None:
        """The disk is full for a moment."""
        await asyncio.to_thread(self._board.fill)
        await asyncio.sleep(0.5 + self._dice.random())
        self._board.empty()
