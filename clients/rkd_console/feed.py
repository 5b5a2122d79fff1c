"""
What the daemon tells, asked for once however many pages look.

One feed a session: status at a steady pace, residents and operations when Watch says that they
changed, the events themselves kept for the log. It says when the daemon is gone and when it is
back. Nothing is asked while nobody looks.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

from rkd_client import AsyncClient
from rkd_client.errors import BeyondRangeError, RkdError, UnauthenticatedError
from rkd_client.v1.models import WatchResponse
from rkd_client.v1.pool import Resident
from rkd_client.v1.system import GetStatusResponse
from rkd_client.v1.types import Operation

Change: TypeAlias = Literal["status", "residents", "operations", "models", "event", "gone", "back"]
Listener: TypeAlias = Callable[[Change], None]

STATUS_EVERY_S: Final = 2.0
AGAIN_S: Final = 1.0
"""Between tries while the daemon is gone."""
GATHERING_S: Final = 0.5
"""Changes that Watch tells within so long are looked up together."""
ASKING_S: Final = 10.0
SAMPLES: Final = 300
"""Ten minutes of status."""
EVENTS: Final = 2_000


@dataclass(frozen=True, slots=True)
class Sample:
    """One status, and when it came (seconds, monotonic, and since the epoch)."""

    at_s: float
    epoch_s: float
    status: GetStatusResponse


class Feed:
    """
    The latest of everything, for the pages of one session.

    Args:
        client: with the rights of who looks.
        refused: called when the daemon lets him in no more: his token was revoked, or ended.
        clock: seconds, monotonic.
    """

    def __init__(
        self,
        client: AsyncClient,
        refused: Callable[[], None] = lambda: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.use(client)
        self._refused = refused
        self._clock = clock
        self._listeners: dict[object, Listener] = {}
        self._running: asyncio.Task[None] | None = None
        self._stale: set[str] = set()
        self._told = asyncio.Event()
        self.status: GetStatusResponse | None = None
        self.residents: tuple[Resident, ...] = ()
        self.operations: tuple[Operation, ...] = ()
        self.samples: deque[Sample] = deque(maxlen=SAMPLES)
        self.events: deque[WatchResponse] = deque(maxlen=EVENTS)
        self.trouble: RkdError | None = None
        self._is_gone = False
        self._next = 1

    @property
    def is_gone(self) -> bool:
        """Whether the daemon did not answer when it was last asked."""
        return self._is_gone

    def use(self, client: AsyncClient) -> None:
        """Ask with the rights of *client* from now on."""
        self._client, self._watching = client.using(timeout=ASKING_S), client

    def listen(self, listener: Listener) -> Callable[[], None]:
        """Call *listener* at each change until what is returned is called."""
        mark = object()
        self._listeners[mark] = listener
        if self._running is None or self._running.done():
            self._running = asyncio.create_task(self._run())

        def leave() -> None:
            self._listeners.pop(mark, None)
            if not self._listeners and self._running is not None:
                self._running.cancel()
                self._running = None

        return leave

    def close(self) -> None:
        """Ask nothing more."""
        self._listeners.clear()
        if self._running is not None:
            self._running.cancel()

    def refresh(self, *what: Literal["residents", "operations", "models"]) -> None:
        """Look *what* up again: something was done to it."""
        self._stale |= set(what)
        self._told.set()

    async def _run(self) -> None:
        self.refresh("residents", "operations")
        async with asyncio.TaskGroup() as group:
            group.create_task(self._poll())
            group.create_task(self._watch())
            group.create_task(self._look_up())

    async def _poll(self) -> None:
        while True:
            try:
                status = await self._client.status()
            except UnauthenticatedError:
                self._refused()
                return
            except RkdError as error:
                self._gone(error)
                await asyncio.sleep(AGAIN_S)
                continue
            self._here()
            self.status = status
            self.samples.append(Sample(self._clock(), time.time(), status))
            self._tell("status")
            await asyncio.sleep(STATUS_EVERY_S)

    async def _watch(self) -> None:
        """Follow the daemon's log; what happened while it was not followed is not missed."""
        while True:
            try:
                async with self._watching.watch(since=self._next) as events:
                    async for event in events:
                        if event.topic:
                            self._take(event)
            except BeyondRangeError as error:
                # Older than what is held, or of a daemon that began to count anew.
                self._next = _oldest(error)
                self.refresh("residents", "operations", "models")
            except RkdError:  # the poll says so when the daemon is gone
                self.refresh("residents", "operations", "models")
            await asyncio.sleep(AGAIN_S)

    def _take(self, event: WatchResponse) -> None:
        self._next = event.revision + 1
        self.events.append(event)
        match event.topic:
            case "resident":
                self.refresh("residents")
            case "operation":
                self.refresh("operations")
            case "model":
                self.refresh("models")
            case _:
                pass
        self._tell("event")

    async def _look_up(self) -> None:
        while True:
            await self._told.wait()
            self._told.clear()
            stale, self._stale = self._stale, set()
            with contextlib.suppress(RkdError):  # the poll says so when the daemon is gone
                if "models" in stale:
                    self._tell("models")
                if "residents" in stale:
                    self.residents = (await self._client.residents()).residents
                    self._tell("residents")
                if "operations" in stale:
                    self.operations = (await self._client.operations()).operations
                    self._tell("operations")
            await asyncio.sleep(GATHERING_S)

    def _gone(self, error: RkdError) -> None:
        self.trouble = error
        if not self._is_gone:
            self._is_gone = True
            self._tell("gone")

    def _here(self) -> None:
        self.trouble = None
        if self._is_gone:
            self._is_gone = False
            self.refresh("residents", "operations", "models")
            self._tell("back")

    def _tell(self, change: Change) -> None:
        for listener in tuple(self._listeners.values()):
            listener(change)


def _oldest(error: BeyondRangeError) -> int:
    oldest = error.metadata.get("oldest", "")
    return int(oldest) if oldest.isdecimal() else 1
