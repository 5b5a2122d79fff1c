"""Channels to several boards, for asyncio: what `rkd_client.boards` is, awaited."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace

import grpc.aio

from rkd_client.boards import Eyes, Way, check_well, options, state_of
from rkd_client.channel import credentials, is_secure
from rkd_client.endpoint import Endpoint, choose
from rkd_client.spread import KEPT_SERVICES, Round, State, patience_s
from rkd_client.where import Where


class _AsyncEye:
    """A channel to each board, all asked after one service."""

    def __init__(self, channels: list[grpc.aio.Channel]) -> None:
        self.channels = channels
        self.since_s = time.monotonic()

    @property
    def states(self) -> list[State]:
        """Return how each board is now; asking makes gRPC connect."""
        return [state_of(one.get_state(try_to_connect=True)) for one in self.channels]

    async def settle(self) -> None:
        """Wait until there is something to choose from, as long as that makes sense."""
        while (left_s := patience_s(self.states, time.monotonic() - self.since_s)) > 0:
            changes = [
                asyncio.ensure_future(one.wait_for_state_change(state))
                for one in self.channels
                if state_of(state := one.get_state()) is State.DECIDING
            ]
            if not changes:
                continue
            try:
                await asyncio.wait(changes, timeout=left_s, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for one in changes:
                    one.cancel()
                await asyncio.wait(changes)


async def _channel(where: Where, endpoint: Endpoint, service: str) -> grpc.aio.Channel:
    if is_secure(where, endpoint):
        trusted = await asyncio.to_thread(credentials, where)
        return grpc.aio.secure_channel(endpoint.target, trusted, options(service))
    return grpc.aio.insecure_channel(endpoint.target, options(service))


class AsyncBoards(Eyes[_AsyncEye]):
    """The boards of a list; of one event loop."""

    def __init__(self, where: Where, kept_services: int = KEPT_SERVICES) -> None:
        super().__init__(where, kept_services)
        self._making = asyncio.Lock()

    async def pick(self, service: str, visit: Round) -> Way[grpc.aio.Channel] | None:
        """Choose a board as `Boards.pick` does."""
        for asked_after in dict.fromkeys((service, "")):
            eye = await self._eye(asked_after)
            await eye.settle()
            at = self._spread.choose(eye.states, visit.avoid)
            if at is not None:
                return self._way(asked_after, eye.channels, at)
        if visit.avoid:
            return None
        listening = await asyncio.to_thread(choose, self._where.endpoints)
        return await self.at(self._where.endpoints.index(listening))

    async def at(self, at: int, *, well: bool = False) -> Way[grpc.aio.Channel]:
        """Return the way to one board as `Boards.at` does."""
        eye = await self._eye("")
        if well:
            await eye.settle()
            await asyncio.to_thread(check_well, eye.states[at], self._where.endpoints[at])
        self._spread.busy[at] += 1
        return replace(self._way("", eye.channels, at), at=None)

    async def close(self) -> None:
        """Close every channel; calls still open are cancelled."""
        for eye in self._all():
            await _close(eye)

    async def _eye(self, service: str) -> _AsyncEye:
        async with self._making:
            eye = self._eyes.get(service)
            if eye is None:
                made = [await _channel(self._where, one, service) for one in self._where.endpoints]
                eye = _AsyncEye(made)
            for gone in self._latest(service, eye):
                await _close(gone)
            return eye


async def _close(eye: _AsyncEye) -> None:
    for channel in eye.channels:
        await channel.close()
