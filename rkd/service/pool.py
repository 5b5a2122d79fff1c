"""PoolService: what is resident, load, unload, pin, and what a load would do."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import aclosing
from datetime import UTC, datetime
from typing import Any

from rkd.pool.deciding.placement import Wish
from rkd.pool.deciding.state import Phase, Resident
from rkd.pool.pool import Pool
from rkd.pool.sessions import Conversation
from rkd.pool.ticket import Ask, Queued
from rkd.service import events, onwire
from rkd.service.gate.caller import identity
from rkd.service.options import (
    BACKENDS,
    Checker,
    Named,
    Resolve,
    check_context,
    keep_alive_s,
    own_name,
    seconds_of,
)
from rkd.service.paging import page
from rkd.v1 import pool_pb2 as pb
from rkd.v1.pool_pb2_grpc import PoolServiceServicer


class PoolService(PoolServiceServicer):
    """
    The service.

    Args:
        resolve: finds models.
        pool: holds them.
        named: tells which model a name means.
    """

    def __init__(self, resolve: Resolve, pool: Pool, named: Named = own_name) -> None:
        self._resolve = resolve
        self._named = named
        self._pool = pool

    async def ListResident(
        self, request: pb.ListResidentRequest, context: Any
    ) -> pb.ListResidentResponse:
        """List who is in memory; resets no idle timer."""
        shown, following = page(
            self._pool.residents(),
            lambda one: f"{one.key} {one.backend}",
            request.page_size,
            request.page_token,
        )
        return pb.ListResidentResponse(
            residents=[_resident(one) for one in shown],
            next_page_token=following,
            queued=self._pool.queued,
            queue_limit=self._pool.queue_limit,
        )

    async def Load(self, request: pb.LoadRequest, context: Any) -> AsyncIterator[pb.LoadResponse]:
        """Make a model resident."""
        ask = await self._ask(request, context, keep_alive_s(request))
        async with aclosing(self._pool.load(ask)) as items:
            async for item in items:
                if isinstance(item, Resident):
                    yield pb.LoadResponse(resident=_resident(item))
                elif isinstance(item, Queued):
                    yield pb.LoadResponse(queued=events.queued(item))
                else:
                    yield pb.LoadResponse(loading=events.loading(item))

    async def Unload(self, request: pb.UnloadRequest, context: Any) -> pb.UnloadResponse:
        """Let a model leave."""
        name = await self._named(request.model)
        grace_s = seconds_of(request, "grace", "grace")
        was = await self._pool.unload(name.key, grace_s=grace_s)
        if not was:
            await self._resolve(name)  # a name that is no model is an error, not a "was not there"
        return pb.UnloadResponse(was_resident=was)

    async def Pin(self, request: pb.PinRequest, context: Any) -> pb.PinResponse:
        """Keep a model resident whatever else wants room."""
        model = await self._resolve(await self._named(request.model))
        ask = Ask(model, client=identity(), wait_s=context.time_remaining())
        return pb.PinResponse(resident=_resident(await self._pool.pin(ask)))

    async def Unpin(self, request: pb.UnpinRequest, context: Any) -> pb.UnpinResponse:
        """Take a pin away."""
        name = await self._named(request.model)
        was = self._pool.unpin(name.key)
        if not was:
            await self._resolve(name)
        return pb.UnpinResponse(was_pinned=was)

    async def Plan(self, request: pb.PlanRequest, context: Any) -> pb.PlanResponse:
        """Say what loading would do."""
        ask = await self._ask(request, context, None)
        preview = self._pool.plan(ask.model, ask.wish)
        plan = preview.plan
        return onwire.like(
            pb.PlanResponse,
            preview,
            backend=plan.backend,
            backend_reason=plan.reason,
            needed_bytes=plan.need.ram_bytes,
            needed_measured=plan.measured,
            context_tokens=plan.spec.context_tokens,
            slots=plan.spec.slots,
        )

    async def ListSessions(
        self, request: pb.ListSessionsRequest, context: Any
    ) -> pb.ListSessionsResponse:
        """List what is kept of the caller's conversations, and of nobody else's."""
        own = self._pool.sessions.kept(identity())
        shown, following = page(
            sorted(own, key=_place), _place, request.page_size, request.page_token
        )
        return pb.ListSessionsResponse(
            sessions=[_session(one) for one in shown], next_page_token=following
        )

    async def DeleteSession(
        self, request: pb.DeleteSessionRequest, context: Any
    ) -> pb.DeleteSessionResponse:
        """Remove what is kept of one of the caller's conversations."""
        owner, name = identity(), request.session
        model = (await self._named(request.model)).key if request.model else ""
        deleted = await self._pool.sessions.remove(
            lambda one: (one.owner, one.name) == (owner, name) and model in {"", one.model}
        )
        return pb.DeleteSessionResponse(deleted=deleted)

    async def _ask(self, request: Any, context: Any, keep_s: float | None) -> Ask:
        model = await self._resolve(await self._named(request.model))
        tokens = request.context_tokens if request.HasField("context_tokens") else None
        check = Checker()
        check_context(tokens, "context_tokens", check)
        check.finish()
        return Ask(
            model,
            Wish(BACKENDS.get(request.backend), tokens),
            client=identity(),
            keep_alive_s=keep_s,
            wait_s=context.time_remaining(),
        )


def _place(one: Conversation) -> str:
    return f"{one.name} {one.model}"


def _session(one: Conversation) -> pb.Session:
    shown = onwire.message(
        pb.Session,
        name=one.name,
        model=one.model,
        tokens=one.tokens,
        size_bytes=one.size_bytes,
    )
    onwire.stamp(shown.used, datetime.fromtimestamp(one.used_s, UTC))
    return shown


def _resident(one: Resident) -> pb.Resident:
    shown = onwire.like(
        pb.Resident,
        one,
        state=one.phase,
        backend_reason="" if one.phase is Phase.FAILED else one.reason,
        reason=one.reason if one.phase is Phase.FAILED else "",
        board="",
    )
    now_s, now = time.monotonic(), datetime.now(UTC)
    for at_s, field in (
        (one.expires_s, shown.expires),
        (one.ready_s, shown.loaded),
        (one.retry_s, shown.retry),
    ):
        if at_s is not None:
            onwire.stamp_in(field, at_s - now_s, now)
    return shown
