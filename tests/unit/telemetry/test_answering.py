"""What is seen while models answer, and who is told."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from rkd.board.facts import Clock, ClockKind
from rkd.telemetry.answering import (
    ENOUGH_LOOKS,
    SELDOM,
    STALLED_S,
    Answering,
    AnsweringClocks,
    RaiserLine,
)
from rkd.telemetry.meters import Meters, StreamMeter

BOUND_S = 30.0


class FakeBoard:
    """Clocks as told, one look after the other; counts the looks."""

    def __init__(self, *frequencies_hz: int) -> None:
        self._frequencies = list(frequencies_hz)
        self.looks = 0

    def __call__(self) -> tuple[Clock, ...]:
        """Return the next look; the last one again when there is no more."""
        self.looks += 1
        hz = self._frequencies.pop(0) if len(self._frequencies) > 1 else self._frequencies[0]
        return (Clock(ClockKind.DDR, "ddr", "sys/class/devfreq/dmc", frequency_hz=hz),)


class Ticking:
    """A clock whose every look is a little later."""

    def __init__(self) -> None:
        self.asked = 0
        self.passed_s = 0.0

    def __call__(self) -> float:
        """Return the time."""
        self.asked += 1
        return self.passed_s + self.asked * 1e-6


@asynccontextmanager
async def watching(
    board: FakeBoard, raiser: Path, *, npu: bool = False, clock: Ticking | None = None
) -> AsyncIterator[tuple[Answering, Meters]]:
    """The task, running."""
    meters = Meters(clock or Ticking())
    answering = Answering(meters, board, lambda: npu, raiser, look_s=0.001)
    task = asyncio.create_task(answering.run())
    try:
        yield answering, meters
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


def computing(meters: Meters) -> StreamMeter:
    """A stream of which tokens come."""
    stream = meters.stream("r", "m")
    stream.tokens(1)
    stream.tokens(1)
    return stream


def listener(path: Path) -> socket.socket:
    """Whoever raises the clocks."""
    one = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    one.bind(str(path))
    one.listen(8)
    one.setblocking(False)
    return one


async def accepted(server: socket.socket) -> socket.socket:
    """Return the connection that comes."""
    async with asyncio.timeout(BOUND_S):
        connection, _ = await asyncio.get_running_loop().sock_accept(server)
    return connection


async def closed(connection: socket.socket) -> bool:
    """Wait for the end of *connection*; tell that nothing came before it."""
    async with asyncio.timeout(BOUND_S):
        return await asyncio.get_running_loop().sock_recv(connection, 1) == b""


async def rounds(server: socket.socket, count: int) -> None:
    """Let the task look *count* times: a connection that is lost is tried again in each round."""
    for _ in range(count + 1):
        (await accepted(server)).close()


async def test_the_highest_is_kept(tmp_path: Path) -> None:
    """A clock that went up once can go up."""
    server = listener(tmp_path / "answering")
    board = FakeBoard(2112, 528)
    async with watching(board, tmp_path / "answering", npu=True) as (answering, meters):
        computing(meters)
        await rounds(server, ENOUGH_LOOKS + 1)
    server.close()

    assert answering.seen == AnsweringClocks({"ddr": 2112}, npu=True)


async def test_one_look_is_not_enough(tmp_path: Path) -> None:
    """A governor may take a moment to go up: a short answer tells nothing."""
    server = listener(tmp_path / "answering")
    streams: list[StreamMeter] = []

    class EndsWithTheFirstLook(FakeBoard):
        def __call__(self) -> tuple[Clock, ...]:
            streams.pop().ended("STOP_EOS")
            return super().__call__()

    board = EndsWithTheFirstLook(528)
    async with watching(board, tmp_path / "answering") as (answering, meters):
        streams.append(computing(meters))
        connection = await accepted(server)
        assert await closed(connection)
    server.close()
    connection.close()

    assert (board.looks, answering.seen) == (1, None)


async def test_nothing_is_looked_at_while_nobody_computes(tmp_path: Path) -> None:
    """A model that loads tells nothing of clocks."""
    server = listener(tmp_path / "answering")
    board = FakeBoard(528)
    async with watching(board, tmp_path / "answering") as (answering, meters):
        meters.stream("r", "m")
        await rounds(server, 3 * ENOUGH_LOOKS)
    server.close()

    assert board.looks == 0
    assert answering.seen is None


async def test_looks_become_rare(tmp_path: Path) -> None:
    """After the first ones, so that a long answer pays little for them."""
    server = listener(tmp_path / "answering")
    board, clock = FakeBoard(528), Ticking()
    async with watching(board, tmp_path / "answering", clock=clock) as (_, meters):
        computing(meters)
        await rounds(server, 3 * SELDOM)
        looks, most_rounds = board.looks, clock.asked  # each round asks the time at least once
    server.close()

    assert ENOUGH_LOOKS < looks <= ENOUGH_LOOKS + most_rounds // SELDOM


async def test_whoever_raises_the_clocks_is_told_by_a_connection(tmp_path: Path) -> None:
    """There as long as somebody is answered, silent, and there again with the next answer."""
    server = listener(tmp_path / "answering")
    async with watching(FakeBoard(528), tmp_path / "answering") as (_, meters):
        for _ in range(2):
            stream = computing(meters)
            connection = await accepted(server)
            stream.ended("STOP_EOS")
            assert await closed(connection)
            connection.close()
    server.close()


async def test_one_that_comes_back_is_told_again(tmp_path: Path) -> None:
    """A restart of rkd-clocks in the midst of an answer."""
    server = listener(tmp_path / "answering")
    async with watching(FakeBoard(528), tmp_path / "answering") as (_, meters):
        computing(meters)
        (await accepted(server)).close()
        again = await accepted(server)
    server.close()
    again.close()


async def test_the_connection_ends_with_the_daemon(tmp_path: Path) -> None:
    """Be it cancelled in the midst of an answer."""
    server = listener(tmp_path / "answering")
    async with watching(FakeBoard(528), tmp_path / "answering") as (_, meters):
        computing(meters)
        connection = await accepted(server)

    assert await closed(connection)
    server.close()
    connection.close()


async def test_an_answer_nobody_reads_keeps_no_clock_up(tmp_path: Path) -> None:
    """No token for a minute: it is let go, and told again when tokens come."""
    server, clock = listener(tmp_path / "answering"), Ticking()
    async with watching(FakeBoard(528), tmp_path / "answering", clock=clock) as (_, meters):
        stream = computing(meters)
        connection = await accepted(server)
        clock.passed_s += STALLED_S + 1
        assert await closed(connection)
        stream.tokens(1)
        again = await accepted(server)
    server.close()
    connection.close()
    again.close()


def test_nobody_there_is_no_error(tmp_path: Path) -> None:
    """No socket, a file, a queue that is full, a path too long."""
    (tmp_path / "file").touch()
    full = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    full.bind(str(tmp_path / "full"))
    full.listen(0)
    lines = [RaiserLine(tmp_path / "full") for _ in range(5)]
    for line in (RaiserLine(tmp_path / "none"), RaiserLine(tmp_path / "file"), *lines):
        line.hold()
        line.let_go()
    with RaiserLine(tmp_path / ("x" * 200)) as long:
        long.hold()
    full.close()
