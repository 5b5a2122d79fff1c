"""One numbered log, many watchers, a bounded past."""

from __future__ import annotations

import asyncio

import pytest

from rkd.errors import BeyondRangeError, Reason
from rkd.events import Entry, Event, EventLog, Topic


def told(log: EventLog, *subjects: str) -> None:
    """Announce something of each."""
    for subject in subjects:
        log.publish(Event(Topic.MODEL, "added", subject))


async def subjects(log: EventLog, start: int | None = None) -> list[tuple[int, str]]:
    """Everything a watcher from *start* sees until the log is closed."""
    return [(one.revision, one.event.subject) async for one in log.watch(start)]


async def test_a_watcher_sees_what_comes_in_order() -> None:
    """From now on, nothing of before, nothing twice."""
    log = EventLog()
    told(log, "before")
    watching = [asyncio.create_task(subjects(log)) for _ in range(2)]
    await asyncio.sleep(0)
    told(log, "a", "b")
    await asyncio.sleep(0)
    told(log, "c")
    log.close()

    assert await asyncio.gather(*watching) == [[(2, "a"), (3, "b"), (4, "c")]] * 2
    assert log.revision == 4


async def test_a_watcher_resumes_where_it_was() -> None:
    """The start is inclusive; the next revision is a start too."""
    log = EventLog(first_revision=10)
    assert log.revision == 9
    told(log, "a", "b")
    log.close()

    assert await subjects(log, 10) == [(10, "a"), (11, "b")]
    assert await subjects(log, 11) == [(11, "b")]
    assert await subjects(log, 12) == []


@pytest.mark.parametrize("start", [0, 2, 6])
async def test_a_past_or_future_that_is_not_held_is_refused(start: int) -> None:
    """With what is held, in numbers."""
    log = EventLog(capacity=2)
    told(log, "a", "b", "c", "d")
    log.close()
    with pytest.raises(BeyondRangeError) as caught:
        await subjects(log, start)

    assert caught.value.reason is Reason.REVISION_COMPACTED
    assert caught.value.metadata == {"oldest": "3", "newest": "4"}


async def test_a_watcher_the_log_overtook_is_told() -> None:
    """It never misses an event in silence."""
    log = EventLog(capacity=2)
    told(log, "a")
    watch = log.watch(1)
    first: Entry = await anext(watch)
    told(log, "b", "c", "d")
    with pytest.raises(BeyondRangeError):
        await anext(watch)

    assert first.event.subject == "a"
