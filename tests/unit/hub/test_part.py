"""One file on its way has one writer."""

from __future__ import annotations

import fcntl
import hashlib
import os
import threading
from pathlib import Path

import pytest

from rkd.errors import PreconditionError, Reason
from rkd.hub.part import Part, bytes_in_part
from rkd.hub.stop import StoppedError, StopSign
from rkd.hub.writers import Writers

CONTENT = os.urandom(3 << 20)
DIGEST = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture
def target(tmp_path: Path) -> Path:
    """Name a file that is not there yet."""
    return tmp_path / "w.gguf"


def part_of(target: Path, stop: StopSign | None = None) -> Part:
    """Make the part of a file with the content above."""
    return Part(target, size_bytes=len(CONTENT), algorithm="sha256", stop=stop or StopSign())


def test_a_part_goes_on_where_it_was(target: Path) -> None:
    """What an earlier call wrote is hashed again and counted."""
    with part_of(target) as part:
        part.append(CONTENT[:1000])
    with part_of(target) as part:
        assert part.offset_bytes == 1000
        part.append(CONTENT[1000:])
        assert part.is_good(DIGEST)
        part.settle()

    assert target.read_bytes() == CONTENT


def test_another_process_keeps_the_part(target: Path) -> None:
    """A part somebody holds locked is refused, and not a byte is added."""
    path = target.with_name("w.gguf.part")
    path.write_bytes(CONTENT[:7])
    with path.open("ab") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        with pytest.raises(PreconditionError) as caught, part_of(target):
            pass

    assert caught.value.reason is Reason.MODEL_BUSY
    assert path.read_bytes() == CONTENT[:7]
    with part_of(target) as part:
        assert part.offset_bytes == 7


def test_bytes_behind_the_writers_back_are_found(target: Path) -> None:
    """A part that grew without its writer is not taken for whole."""
    with part_of(target) as part:
        part.append(CONTENT)
        with target.with_name("w.gguf.part").open("ab") as other:
            other.write(b"more")

        assert not part.is_good(DIGEST)


def test_a_stop_ends_the_hashing_of_what_is_there(target: Path) -> None:
    """Going on with a large part can be cancelled before the first new byte."""
    target.with_name("w.gguf.part").write_bytes(CONTENT)
    stop = StopSign()
    stop.set()
    with pytest.raises(StoppedError), part_of(target, stop):
        pass


@pytest.mark.parametrize("kind", ["link", "fifo", "folder"])
def test_only_a_regular_file_is_written(target: Path, tmp_path: Path, kind: str) -> None:
    """A link to somebody's file, a pipe, a folder: gone, and the part begins at nothing."""
    path, precious = target.with_name("w.gguf.part"), tmp_path / "precious"
    precious.write_text("keep me")
    if kind == "link":
        path.symlink_to(precious)
    elif kind == "fifo":
        os.mkfifo(path)
    else:
        (path / "x").mkdir(parents=True)
    assert bytes_in_part(target) == 0
    with part_of(target) as part:
        part.append(CONTENT)
        part.settle()

    assert precious.read_text() == "keep me"
    assert target.read_bytes() == CONTENT


def test_writers_of_one_file_come_one_after_the_other(target: Path) -> None:
    """The second waits for the first to let go; other files wait for nobody."""
    writers, inside, leave, order = Writers(), threading.Event(), threading.Event(), list[str]()

    def first() -> None:
        with writers.alone(target, StopSign()):
            inside.set()
            leave.wait(10)
            order.append("first")

    thread = threading.Thread(target=first)
    thread.start()
    inside.wait(10)
    with writers.alone(target.with_name("other"), StopSign()):
        leave.set()
    with writers.alone(target, StopSign()):
        order.append("second")
    thread.join()

    assert order == ["first", "second"]


def test_a_writer_that_never_lets_go_is_told(target: Path) -> None:
    """The wait has an end, and a stop ends it too."""
    writers, stopped = Writers(wait_s=0.1), StopSign()
    stopped.set()
    with writers.alone(target, StopSign()):
        with pytest.raises(PreconditionError) as caught, writers.alone(target, StopSign()):
            pass
        with pytest.raises(StoppedError), writers.alone(target, stopped):
            pass

    assert caught.value.reason is Reason.MODEL_BUSY
