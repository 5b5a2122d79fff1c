"""What a library prints is read along, and still goes where it went."""

from __future__ import annotations

import os

import pytest

from rkd.backend.rkllm.tap import Tap


@pytest.fixture
def pipe() -> tuple[int, int]:
    """(reading end, a descriptor to print to)."""
    return os.pipe()


def test_lines_are_taken_and_passed_on(pipe: tuple[int, int]) -> None:
    """Every line is seen once by us, and by whoever reads the descriptor."""
    reading, printing = pipe
    tap = Tap(printing)
    os.write(printing, b"E rkllm: bad \xff\nI rkllm: fi")
    os.write(printing, b"ne\n\n")

    assert tap.take() == ("E rkllm: bad \ufffd", "I rkllm: fine")
    assert tap.take() == ()
    assert os.read(reading, 1000) == b"E rkllm: bad \xff\nI rkllm: fine\n"
    tap.close()
    os.close(reading)
    os.close(printing)


def test_close_puts_the_descriptor_back(pipe: tuple[int, int]) -> None:
    """After closing, twice even, printing goes straight through."""
    reading, printing = pipe
    tap = Tap(printing)
    tap.close()
    tap.close()
    os.write(printing, b"direct")

    assert os.read(reading, 1000) == b"direct"
    os.close(reading)
    os.close(printing)


def test_a_reader_that_went_away_does_not_matter(pipe: tuple[int, int]) -> None:
    """Lines are taken also when nobody reads the log any more."""
    reading, printing = pipe
    tap = Tap(printing)
    os.close(reading)
    os.write(printing, b"E rkllm: bad\n")

    assert tap.take() == ("E rkllm: bad",)
    tap.close()
    os.close(printing)


def test_forgotten_lines_are_gone(pipe: tuple[int, int]) -> None:
    """What was printed before the question is no evidence for its answer."""
    reading, printing = pipe
    tap = Tap(printing)
    os.write(printing, b"E rkllm: earlier\n")
    tap.take()
    os.write(printing, b"I rkllm: a\n")
    tap.take()
    tap.forget()

    assert tap.take() == ()
    tap.close()
    os.close(reading)
    os.close(printing)


def test_a_swapped_descriptor_is_taken_again(pipe: tuple[int, int]) -> None:
    """Whoever puts another file in its place gets the lines from then on, and so do we."""
    reading, printing = pipe
    tap = Tap(printing)
    other_reading, other = os.pipe()
    os.dup2(other, printing)
    tap.take()
    os.write(printing, b"E rkllm: bad\n")

    assert tap.take() == ("E rkllm: bad",)
    assert os.read(other_reading, 100) == b"E rkllm: bad\n"
    tap.close()
    for descriptor in (reading, printing, other_reading, other):
        os.close(descriptor)
