"""Operations, and behind them the way to the hub, which is made when somebody wants it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING

from rkd.config import Config
from rkd.daemon.late import Late
from rkd.events import Publish
from rkd.hub.headroom import Headroom
from rkd.library.library import Library
from rkd.operations.journal import Journal
from rkd.operations.operation import OperationKind, OperationState
from rkd.operations.operations import Operations
from rkd.operations.runner import Runner
from rkd.operations.stages import stages_in_use

if TYPE_CHECKING:
    from rkd.daemon.hubside import HubSide
    from rkd.hub.connection import Connection
    from rkd.operations.create import RunJob

_OVER = frozenset({OperationState.SUCCEEDED, OperationState.CANCELLED})


class HubRooms:
    """
    The operations and the hub's rooms.

    Args:
        current: the configuration in force; offline, time limits and reserve change live.
        library: where models are.
        capacity: what the board has for one more model.
        publish: where operations announce themselves.
        run_job: starts conversions and quantizations in a child.
    """

    def __init__(
        self,
        current: Callable[[], Config],
        *,
        library: Library,
        capacity: Callable[[], Headroom],
        publish: Publish,
        run_job: RunJob,
    ) -> None:
        self.side: Late[HubSide] = Late(
            "rkd.daemon.hubside",
            lambda module: module.HubSide(
                current, library=library, capacity=capacity, run_job=run_job
            ),
        )
        self.operations = Operations(
            journal=Journal(current().state_dir / "operations"),
            runners=_Runners(self.side),
            publish=publish,
        )

    @property
    def connection(self) -> Connection:
        """The way to the hub."""
        return self.side.now().connection

    async def stages(self) -> frozenset[str]:
        """Read the journal; names the stages the library must not sweep at its start."""
        known = await self.operations.load()
        if any(one.state not in _OVER for one in known):  # it may go on, now or when asked to
            await self.side.get()
        return stages_in_use(known)

    async def close(self) -> None:
        """Stop what runs, resumable, and let everybody go who waits for it."""
        await self.operations.close()


class _Runners(Mapping[OperationKind, Runner]):
    """Who carries out which operation; all of them are made when the first is asked for."""

    def __init__(self, side: Late[HubSide]) -> None:
        self._side = side

    def __getitem__(self, kind: OperationKind) -> Runner:
        return self._side.now().runners[kind]

    def __iter__(self) -> Iterator[OperationKind]:
        return iter(OperationKind)

    def __len__(self) -> int:
        return len(OperationKind)
