"""Inferences under way, by id."""

from __future__ import annotations

import asyncio

import pytest
from structlog.contextvars import clear_contextvars

from rkd import log
from rkd.errors import InvalidInputError
from rkd.service.running import RunningRequests


async def test_the_calls_own_id_is_used_and_logged() -> None:
    """What the client sent as x-request-id names the inference and every line of it."""
    clear_contextvars()
    log.bind_request("mine-1")
    with RunningRequests().entered("", "tiny") as running:
        assert running.request_id == log.request_id() == "mine-1"


async def test_an_id_of_the_options_wins() -> None:
    """And is what the lines carry from then on."""
    clear_contextvars()
    log.bind_request("mine-1")
    with RunningRequests().entered("other", "tiny") as running:
        assert running.request_id == log.request_id() == "other"


async def test_a_header_sent_twice_is_no_error() -> None:
    """A proxy may send one id for several calls; an id of the options must be unique."""
    clear_contextvars()
    log.bind_request("mine-1")
    requests = RunningRequests()
    with requests.entered("", "tiny"), requests.entered("", "tiny") as second:
        assert second.request_id != "mine-1"
        with pytest.raises(InvalidInputError), requests.entered("mine-1", "tiny"):
            pass


async def test_an_end_asked_for_by_id_is_taken_back_once() -> None:
    """Only that one: when the client has gone as well, the task stays cancelled."""
    requests = RunningRequests()
    taken: list[bool] = []

    async def infer() -> None:
        with requests.entered("one", "tiny") as running:
            started.set()
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError as error:
                taken.append(running.takes_back(error))
                if not taken[-1]:
                    raise

    for others in (0, 1):
        started = asyncio.Event()
        task = asyncio.create_task(infer())
        await started.wait()
        assert requests.cancel("one")
        for _ in range(others):
            task.cancel()
        await asyncio.wait({task})

    assert taken == [True, False]
    assert task.cancelled()


async def test_an_end_nobody_asked_for_is_not_taken_back() -> None:
    """Neither another's cancel nor an error."""
    with RunningRequests().entered("one", "tiny") as running:
        assert not running.takes_back(asyncio.CancelledError())
        running.cancelled = True
        assert not running.takes_back(ValueError())


async def test_a_call_busy_with_its_client_is_not_cancelled_there() -> None:
    """The run is let go at once, the task goes on, and the end is raised when it is back."""
    requests = RunningRequests()
    let_go: list[str] = []
    with requests.entered("one", "tiny") as running:
        running.let_go = lambda: let_go.append("one")
        running.hand_over()

        assert requests.cancel("one")
        assert requests.cancel("one")

        assert let_go == ["one"]
        assert running.task.cancelling() == 0
        with pytest.raises(asyncio.CancelledError) as caught:
            running.take_over()
        assert running.takes_back(caught.value)


async def test_a_client_that_left_as_well_is_not_taken_back() -> None:
    """The call's own cancellation stays when another client's came while it was with the client."""
    requests = RunningRequests()
    seen: list[bool] = []

    async def infer() -> None:
        with requests.entered("one", "tiny") as running:
            running.hand_over()
            requests.cancel("one")
            running.task.cancel()
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError as error:
                seen.append(running.takes_back(error))
                raise

    task = asyncio.create_task(infer())
    await asyncio.wait({task})

    assert task.cancelled()
    assert seen == [False]


async def test_an_end_while_an_event_is_with_the_client_is_kept_until_it_is_over() -> None:
    """The run stops at once; the call ends when the event has gone, and not without one."""
    ended: list[str] = []

    async def infer() -> None:
        with RunningRequests().entered("one", "tiny") as running:
            running.let_go = lambda: ended.append("run")
            running.hand_over()
            running.take_over()
            running.hand_over()
            running.cancel()
            assert ended == ["run"]
            assert not running.task.cancelling()
            with pytest.raises(asyncio.CancelledError) as caught:
                running.take_over()
            assert running.takes_back(caught.value)

    await asyncio.create_task(infer())


async def test_an_end_between_two_events_interrupts_the_call() -> None:
    """An event that was handed over and taken back is no longer in the way."""

    async def infer() -> bool:
        with RunningRequests().entered("one", "tiny") as running:
            running.hand_over()
            running.take_over()
            running.cancel()
            try:
                await asyncio.sleep(0)
            except asyncio.CancelledError as error:
                return running.takes_back(error)
        return False

    assert await asyncio.create_task(infer())
