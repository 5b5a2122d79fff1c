"""What a child prints: whole lines, the last ones kept, the reason found among them."""

from __future__ import annotations

import asyncio
import os
import threading

from rkd.pool.workers.lastwords import (
    KEPT_LINES,
    MAX_LINE_BYTES,
    MOST_LINES,
    READS,
    LastWords,
)


def said(*texts: bytes) -> LastWords:
    """Words whose child wrote *texts* and goes on."""
    words = LastWords()
    for text in texts:
        os.write(words.writer, text)
        words.drain()
    return words


def flood(writer: int, lines: int) -> None:
    """Print so many numbered lines."""
    for start in range(0, lines, 1000):
        os.write(writer, b"".join(b"%d\n" % at for at in range(start, start + 1000)))


def closed(words: LastWords) -> LastWords:
    """The same, its child gone."""
    words.close_writer()
    words.drain()
    return words


async def test_lines_are_whole() -> None:
    """However the pipe cuts them; an unfinished one waits for its end, or the child's."""
    words = said(b"on", b"e\ntw")
    assert words.lines() == ("one",)

    assert closed(words).lines() == ("one", "tw")
    words.close()


async def test_a_listener_hears_every_line() -> None:
    """On the loop, as they come, without asking; blank ones are nothing."""
    heard: asyncio.Queue[str] = asyncio.Queue()
    words = LastWords()
    words.listen(heard.put_nowait)
    os.write(words.writer, b"a\n\n  \nb \xff\n")

    assert (await heard.get(), await heard.get()) == ("a", "b \ufffd")
    closed(words)


async def test_a_flood_is_read_in_turns_and_told_in_part() -> None:
    """A child that prints without end neither holds the loop nor fills the log."""
    words = LastWords()
    heard: list[str] = []
    words.listen(heard.append)
    flooding = threading.Thread(target=flood, args=(words.writer, 50_000))
    flooding.start()
    while flooding.is_alive():
        before = len(words.lines())
        words.drain()
        assert before <= KEPT_LINES
        await asyncio.sleep(0)
    flooding.join()
    closed(words)

    assert MOST_LINES <= len(heard) < 20_000
    assert words.lines()[-1] == "49999"


async def test_one_turn_reads_a_bounded_amount() -> None:
    """The pipe never runs dry, and the loop has its turn all the same."""
    words = LastWords()
    words.listen(lambda _: os.write(words.writer, b"more\n"))
    os.write(words.writer, b"first\n")
    words.drain()

    assert len(words.lines()) == READS
    words.close()
    words.close_writer()


async def test_the_last_lines_are_kept_and_long_ones_cut() -> None:
    """A child that never ends a line does not fill the daemon's memory."""
    words = said(*(b"%d\n" % at for at in range(KEPT_LINES + 5)))
    assert (len(words.lines()), words.lines()[0]) == (KEPT_LINES, "5")
    os.write(words.writer, b"x" * (MAX_LINE_BYTES * 2))
    words.drain()

    assert words.lines()[-1] == "x" * MAX_LINE_BYTES
    assert closed(words).lines()[-2:] == (str(KEPT_LINES + 4), "x" * MAX_LINE_BYTES)


async def test_the_first_lines_that_look_like_a_reason_are_the_evidence() -> None:
    """Stamps are taken off; what follows from the cause is left out."""
    words = closed(
        said(
            b"loading\n0.00.1 E tensor 'x' is invalid\nstill here\n",
            b"failed to load\nerror again\nbye\n",
        )
    )

    assert words.evidence() == "tensor 'x' is invalid | failed to load"


async def test_without_a_reason_the_last_lines_are_all_there_is() -> None:
    """And nothing where nothing was said."""
    assert closed(said(b"one\ntwo\nthree\n")).evidence() == "two | three"
    assert closed(said()).evidence() == ""
