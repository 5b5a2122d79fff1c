"""ModelService's Watch: the daemon's event log as a stream of messages, with signs of life."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import aclosing

from rkd.errors import bad_field
from rkd.events import Entry, EventLog, Topic
from rkd.service import onwire
from rkd.v1 import models_pb2 as pb

HEARTBEAT_S = 30.0
"""Default of WatchRequest.heartbeat. Source: the contract."""
_HEARTBEAT_RANGE_S = (0.1, 3600.0)


async def changes(
    events: EventLog, request: pb.WatchRequest, begun: Callable[[], Awaitable[None]]
) -> AsyncGenerator[pb.WatchResponse, None]:
    """
    Yield what *request* asks to be told, for as long as the log is open.

    Args:
        events: the log.
        request: what is asked.
        begun: awaited once nothing can be missed any more.

    Raises:
        InvalidInputError: INVALID_FIELD.
        BeyondRangeError: REVISION_COMPACTED.
    """
    topics, heartbeat_s = _topics(request), _heartbeat_s(request)
    resumed = request.HasField("start_revision")
    start = request.start_revision if resumed else events.revision + 1
    await begun()
    async with aclosing(events.watch(start)) as entries:  # type: ignore[type-var]
        async for entry in _with_heartbeat(entries, heartbeat_s):
            if entry is None:
                yield _sign_of_life(events.revision)
            elif entry.event.topic in topics:
                yield _change(entry)


async def _with_heartbeat(
    entries: AsyncIterator[Entry], heartbeat_s: float
) -> AsyncIterator[Entry | None]:
    """Yield *entries*, and None whenever *heartbeat_s* passed without one."""
    waiting: asyncio.Future[Entry | None] | None = None
    try:
        while True:
            waiting = waiting or asyncio.ensure_future(anext(entries, None))
            done, _ = await asyncio.wait({waiting}, timeout=heartbeat_s)
            if not done:
                yield None
                continue
            entry = waiting.result()
            waiting = None
            if entry is None:
                return
            yield entry
    finally:
        if waiting is not None:
            waiting.cancel()
            await asyncio.wait({waiting})


def _change(entry: Entry) -> pb.WatchResponse:
    event = entry.event
    response = onwire.message(
        pb.WatchResponse,
        revision=entry.revision,
        topic=event.topic.value,
        action=event.action,
        subject=event.subject,
        detail=dict(event.detail),
    )
    onwire.stamp(response.time, entry.at)
    return response


def _sign_of_life(revision: int) -> pb.WatchResponse:
    response = pb.WatchResponse(revision=revision)
    response.time.GetCurrentTime()
    return response


def _topics(request: pb.WatchRequest) -> frozenset[Topic]:
    try:
        return frozenset(map(Topic, request.topics)) or frozenset(Topic)
    except ValueError as error:
        raise bad_field("topics", f"should be some of {', '.join(Topic)}") from error


def _heartbeat_s(request: pb.WatchRequest) -> float:
    if not request.HasField("heartbeat"):
        return HEARTBEAT_S
    wanted = request.heartbeat.seconds + request.heartbeat.nanos / 1e9
    low, high = _HEARTBEAT_RANGE_S
    if not low <= wanted <= high:
        raise bad_field("heartbeat", f"should be {low:g} s to {high:g} s, not {wanted:g} s")
    return wanted
