"""
Hub, library and operations wired as the daemon wires them, without the daemon.

Run as a program it is a process that can be killed in the middle of a pull:
`python -m tests.hub.rooms ENDPOINT FOLDER SOURCE NAME`.
"""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections.abc import AsyncIterator
from pathlib import Path

from rkd.events import EventLog
from rkd.hub.connection import Connection, Limits
from rkd.hub.fetching import Fetching
from rkd.hub.headroom import Headroom
from rkd.hub.mover import Mover, Patience
from rkd.library.library import Library
from rkd.operations.journal import Journal
from rkd.operations.operation import Operation, OperationKind
from rkd.operations.operations import Operations
from rkd.operations.pull import PullRunner
from rkd.operations.pull_order import PullOrder, start_pull
from rkd.operations.push import PushRunner
from rkd.operations.stages import stages_in_use

QUICK = Patience(waits_s=(0.01,) * 6)
LIMITS = Limits(read_s=30.0, api_waits_s=(0.01, 0.01))


class Rooms:
    """
    What a pull needs, over `<folder>/models` and `<folder>/state`.

    Args:
        token: given to the hub.
        reserve_bytes: disk space never filled.
    """

    def __init__(
        self,
        endpoint: str,
        folder: Path,
        *,
        token: str = "",
        patience: Patience = QUICK,
        reserve_bytes: int = 0,
        offline: bool = False,
    ) -> None:
        self.endpoint = endpoint
        self.models = folder / "models"
        self.models.mkdir(parents=True, exist_ok=True)
        self.events = EventLog()
        self.connection = Connection(
            endpoint=endpoint,
            token=lambda: token,
            offline=lambda: offline,
            home=folder / "state" / "hf",
            limits=lambda: LIMITS,
        )
        self.fetching = Fetching(Mover(self.connection, patience=patience))
        self.library = Library(self.models, publish=self.events.publish)
        self.operations = Operations(
            journal=Journal(folder / "state" / "operations"),
            runners={
                OperationKind.PULL: PullRunner(
                    connection=self.connection,
                    fetching=self.fetching,
                    library=self.library,
                    capacity=lambda: Headroom(8 << 30, 16 << 30, "rk3588", 4096),
                    reserve_bytes=lambda: reserve_bytes,
                    plan_waits_s=(0.05,) * 20,
                ),
                OperationKind.PUSH: PushRunner(connection=self.connection, library=self.library),
            },
            publish=self.events.publish,
        )

    async def pull(self, source: str, name: str = "", *, replace: bool = False) -> Operation:
        """Start a pull."""
        order = PullOrder.of(
            source, name=name, revision="", replace=replace, endpoint=self.endpoint
        )
        return await start_pull(self.operations, order)

    async def pulled(self, source: str, name: str = "", *, replace: bool = False) -> Operation:
        """Pull, and wait for the end."""
        operation = await self.pull(source, name, replace=replace)
        return await self.operations.finished(operation.id)

    def folders(self) -> list[str]:
        """Name what stands in the models folder for everybody to see."""
        return sorted(path.name for path in self.models.iterdir() if path.name[0] != ".")

    def hidden(self) -> list[str]:
        """Name what does not."""
        return sorted(path.name for path in self.models.iterdir() if path.name[0] == ".")


@contextlib.asynccontextmanager
async def running(rooms: Rooms) -> AsyncIterator[Rooms]:
    """Start the rooms in the daemon's order, and stop them in the other."""
    known = await rooms.operations.load()
    await rooms.library.start(keep=stages_in_use(known))
    await rooms.operations.restore()
    try:
        yield rooms
    finally:
        await rooms.operations.close()
        await rooms.library.close()


async def _main(endpoint: str, folder: str, source: str, name: str) -> None:
    async with running(Rooms(endpoint, Path(folder))) as rooms:
        active = [one for one in rooms.operations.list() if not one.state.final]
        operation = active[0] if active else await rooms.pull(source, name)
        await rooms.operations.finished(operation.id)


if __name__ == "__main__":
    asyncio.run(_main(*sys.argv[1:]))
