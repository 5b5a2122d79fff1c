"""Whether a file has arrived whole."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from rkd.library.arrival import Sighting, Sightings, Writer, wait_s, writer_of


class FakeClock:
    """Seconds that pass when told to."""

    def __init__(self, now: float = 1000.0) -> None:
        self.now = now

    def __call__(self) -> float:
        """Say what time it is."""
        return self.now


@pytest.mark.parametrize(
    ("sighting", "expected"),
    [
        (Sighting(Writer.SOME, 60.0), None),
        (Sighting(Writer.SOME, 60.0, closed=True), None),
        (Sighting(Writer.UNKNOWN, 0.5), 1.5),
        (Sighting(Writer.UNKNOWN, 2.0), 0.0),
        (Sighting(Writer.UNKNOWN, 0.5, closed=True), 0.0),
        (Sighting(Writer.NONE, 0.2), 0.3),
        (Sighting(Writer.NONE, 0.5), 0.0),
        (Sighting(Writer.NONE, 0.5, short=True), 1.5),
    ],
)
def test_rules(sighting: Sighting, expected: float | None) -> None:
    """A writer decides; else closed or quiet long enough."""
    assert wait_s(sighting) == pytest.approx(expected)


def test_the_kernel_knows_writers(tmp_path: Path) -> None:
    """A file held open for writing has a writer, also when nothing is being written."""
    path = tmp_path / "x.gguf"
    with path.open("wb") as file:
        file.write(b"x")
        file.flush()
        during = writer_of(path)

    assert during is Writer.SOME
    assert writer_of(path) in {Writer.NONE, Writer.UNKNOWN}
    assert writer_of(tmp_path / "absent") is Writer.UNKNOWN


class TestSightings:
    """Memory of what was seen."""

    def see(self, clock: FakeClock, writer: Writer = Writer.NONE) -> Sightings:
        """Sightings whose clocks both stand at *clock*."""
        return Sightings(clock=clock, wall=clock, ask=lambda _path: writer)

    def test_an_old_file_is_whole_at_once(self, tmp_path: Path) -> None:
        """Quiet by its own time of change."""
        path = tmp_path / "x.gguf"
        path.write_bytes(b"x")
        os.utime(path, (10, 10))

        assert self.see(FakeClock()).wait_s(path, path.stat()) == 0.0

    def test_a_time_of_change_in_the_future_is_watched_instead(self, tmp_path: Path) -> None:
        """A board whose clock starts in the past still takes the file in the end."""
        path = tmp_path / "x.gguf"
        path.write_bytes(b"x")
        os.utime(path, (5000, 5000))
        clock = FakeClock()
        sightings = self.see(clock)
        first = sightings.wait_s(path, path.stat())
        clock.now += 0.5

        assert first == pytest.approx(0.5)
        assert sightings.wait_s(path, path.stat()) == 0.0

    def test_a_whole_file_stays_whole_under_another_name(self, tmp_path: Path) -> None:
        """The rename of a migration is no new arrival."""
        path = tmp_path / "x.gguf"
        path.write_bytes(b"x")
        clock = FakeClock(path.stat().st_mtime)
        sightings = self.see(clock, Writer.UNKNOWN)
        sightings.trust(path.stat())
        moved = path.rename(tmp_path / "y.gguf")

        assert sightings.wait_s(moved, moved.stat()) == 0.0

    def test_a_change_after_the_close_counts_anew(self, tmp_path: Path) -> None:
        """Closed, then written again: the close is forgotten."""
        path = tmp_path / "x.gguf"
        path.write_bytes(b"x")
        clock = FakeClock(path.stat().st_mtime + 1)
        sightings = self.see(clock, Writer.UNKNOWN)
        sightings.closed(path)
        path.write_bytes(b"longer")
        clock.now = path.stat().st_mtime + 1

        assert sightings.wait_s(path, path.stat()) == pytest.approx(1.0)

    def test_a_file_shorter_than_its_header_says_waits_longer(self, tmp_path: Path) -> None:
        """A tool that opens, appends and closes in a loop is not taken for done."""
        path = tmp_path / "x.gguf"
        path.write_bytes(b"x")
        clock = FakeClock(path.stat().st_mtime + 1)
        sightings = Sightings(
            clock=clock, wall=clock, ask=lambda _: Writer.NONE, is_short=lambda _: True
        )

        assert sightings.wait_s(path, path.stat()) == pytest.approx(1.0)
