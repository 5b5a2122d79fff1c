"""Lines whose reader is gone, asleep, or out of room."""

from __future__ import annotations

import fcntl
import io
import json
import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import TextIO

import pytest

from rkd.loglines import (
    KINDS_REMEMBERED,
    MAX_LINE_BYTES,
    PIECE_BYTES,
    REPEATS_ALLOWED,
    REPEATS_WINDOW_S,
    LineWriter,
    Repeats,
)

LINE = "x" * 999 + "\n"


class Pipe:
    """A pipe whose reading end is the test's."""

    def __init__(self) -> None:
        self.reader, writer = os.pipe()
        fcntl.fcntl(writer, fcntl.F_SETPIPE_SZ, 2 * PIECE_BYTES)
        self.stream: TextIO = os.fdopen(writer, "w")
        os.set_blocking(self.reader, False)

    def read(self) -> str:
        """Take what is there."""
        with suppress(BlockingIOError):
            return os.read(self.reader, 1 << 20).decode()
        return ""

    def close(self) -> None:
        """Close both ends."""
        with suppress(OSError):
            os.close(self.reader)
        self.stream.close()


@pytest.fixture
def pipe() -> Iterator[Pipe]:
    """A small pipe."""
    made = Pipe()
    yield made
    made.close()


def test_a_reader_that_does_not_read_holds_nobody_up(pipe: Pipe) -> None:
    """What does not fit is dropped; the next line that does says how many were."""
    writer = LineWriter(pipe.stream)
    for _ in range(100):
        writer.write(LINE)
    first = pipe.read()
    writer.write("after\n")
    gap, after = pipe.read().splitlines()

    assert set(first.splitlines()) == {LINE.rstrip()}
    assert json.loads(gap)["lines"] == 100 - len(first.splitlines())
    assert (after, writer.dropped) == ("after", 0)


def test_a_reader_that_is_gone_is_no_error(pipe: Pipe) -> None:
    """`rkd 2>&1 | tee f`, and tee ends."""
    writer = LineWriter(pipe.stream)
    os.close(pipe.reader)
    for _ in range(3):
        writer.write(LINE)

    assert writer.dropped == 3


def test_a_full_disk_is_no_error() -> None:
    """Lines are lost, not requests."""
    with Path("/dev/full").open("w") as stream:
        writer = LineWriter(stream)
        writer.write(LINE)

        assert writer.dropped == 1


def test_a_torn_line_does_not_spoil_the_next(pipe: Pipe) -> None:
    """It is ended where it broke."""
    writer = LineWriter(pipe.stream)
    writer.write("y" * (PIECE_BYTES * 3) + "\n")
    torn = pipe.read()
    writer.write("whole\n")

    assert torn == "y" * PIECE_BYTES * 2
    assert pipe.read().splitlines()[-1] == "whole"


def test_what_cannot_be_encoded_is_escaped_and_what_is_long_is_cut(tmp_path: Path) -> None:
    """A half of a character, a traceback of megabytes."""
    with (tmp_path / "log").open("w") as stream:
        writer = LineWriter(stream)
        writer.write("\udce9\n")
        writer.write("é" * MAX_LINE_BYTES + "\n")
    first, second = (tmp_path / "log").read_text().splitlines()

    assert first == "\\udce9"
    assert second == "é" * (MAX_LINE_BYTES // 2)


def test_a_stream_of_python_alone_is_written_to() -> None:
    """Also one that was closed."""
    stream = io.StringIO()
    writer = LineWriter(stream)
    writer.write("a\n")
    assert stream.getvalue() == "a\n"

    stream.close()
    writer.write("b\n")
    assert writer.dropped == 1


class FakeClock:
    """Seconds, moved by hand."""

    now = 0.0

    def __call__(self) -> float:
        """Return the time."""
        return self.now


def test_repeats_are_said_some_times_and_then_counted() -> None:
    """Each kind for itself; the first of the next window says how many were not."""
    clock = FakeClock()
    repeats = Repeats(clock)
    said = [repeats.count(("a",)) for _ in range(REPEATS_ALLOWED + 5)]

    assert said == [0] * REPEATS_ALLOWED + [None] * 5
    assert repeats.count(("b",)) == 0
    clock.now += REPEATS_WINDOW_S
    assert [repeats.count(("a",)), repeats.count(("a",))] == [5, 0]


def test_what_is_remembered_is_bounded() -> None:
    """A flood of kinds pushes out the oldest."""
    repeats = Repeats(FakeClock())
    for number in range(KINDS_REMEMBERED * 2):
        repeats.count((str(number),))

    assert len(repeats._seen) == KINDS_REMEMBERED
