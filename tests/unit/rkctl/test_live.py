"""Lines drawn in place: what a terminal would show, replayed."""

from __future__ import annotations

import io
import re
import sys

import pytest
from rkctl.screen.live import Region, Screen


def shown(written: str) -> list[str]:
    """Replay *written* on a terminal of lines and return what it shows."""
    lines, row = [""], 0
    for piece in re.split(r"(\x1b\[[?0-9]*[A-Za-z]|\r\n|\n|\r)", written):
        if piece in {"\n", "\r\n"}:
            row += 1
            lines += [""] * (row + 1 - len(lines))
        elif up := re.fullmatch(r"\x1b\[(\d+)A", piece):
            row -= int(up[1])
        elif piece == "\x1b[H":
            row = 0
        elif piece == "\x1b[J":
            del lines[row + 1 :]
            lines[row] = ""
        elif piece and not piece.startswith(("\x1b", "\r")):
            lines[row] = piece
    return lines[:-1] if not lines[-1] else lines


def test_a_picture_takes_the_place_of_the_one_before() -> None:
    """Also where it has fewer lines; the cursor is back at the end."""
    stream = io.StringIO()
    with Region(stream) as region:
        region.draw(["a 1", "b 1", "c 1"])
        region.draw(["a 2", "b 2"])

    assert shown(stream.getvalue()) == ["a 2", "b 2"]
    assert stream.getvalue().endswith("\x1b[?25h")


def test_what_is_told_meanwhile_stands_above(monkeypatch: pytest.MonkeyPatch) -> None:
    """A line on stderr is not written into the bars, nor lost; half a line waits for its end."""
    stream = io.StringIO()
    monkeypatch.setattr(sys, "stderr", stream)
    with Region(stream) as region:
        region.draw(["bar 1"])
        sys.stderr.write("licence: ")
        sys.stderr.write("apache\n")
        region.draw(["bar 2"])

    assert shown(stream.getvalue()) == ["licence: apache", "bar 2"]
    assert sys.stderr is stream


def test_a_screen_is_given_back(monkeypatch: pytest.MonkeyPatch) -> None:
    """The other screen is left at the end, and the cursor is seen again."""
    stream = io.StringIO()
    monkeypatch.setattr(sys, "stdout", stream)
    with Screen() as screen:
        screen.draw(["one", "two"])
        screen.draw(["three"])

    assert stream.getvalue().startswith("\x1b[?1049h")
    assert stream.getvalue().endswith("\x1b[?25h\x1b[?1049l")
    assert "three\x1b[K\x1b[J" in stream.getvalue()
