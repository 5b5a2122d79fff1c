"""
Lines on a terminal that are written anew in their place: bars, and the whole screen of `top`.

A few escape sequences that every terminal since the VT100 knows; a library that draws brought
12 MB to every laptop for them.
"""

from __future__ import annotations

import io
import sys
from collections.abc import Sequence
from contextlib import redirect_stderr
from types import TracebackType
from typing import Self, TextIO

_HIDE, _SHOW = "\x1b[?25l", "\x1b[?25h"
_CLEAR_LINE, _CLEAR_BELOW = "\x1b[K", "\x1b[J"
_OTHER_SCREEN, _OWN_SCREEN, _HOME = "\x1b[?1049h", "\x1b[?1049l", "\x1b[H"


class Region:
    """
    The last lines on *stream*, drawn again and again; use it as a context manager.

    What else is written to stderr meanwhile appears above them.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._lines: Sequence[str] = ()
        self._redirected = redirect_stderr(_Above(self))

    @property
    def encoding(self) -> str:
        """The stream's."""
        return self._stream.encoding

    def draw(self, lines: Sequence[str]) -> None:
        """Show *lines*, none wider than the terminal, in the place of those before."""
        self._stream.write(self._back() + "".join(f"{line}{_CLEAR_LINE}\n" for line in lines))
        self._stream.write(_CLEAR_BELOW)
        self._stream.flush()
        self._lines = lines

    def above(self, text: str) -> None:
        """Write *text*, whole lines, above what is drawn."""
        self._stream.write(f"{self._back()}{_CLEAR_BELOW}{text}")
        lines, self._lines = self._lines, ()
        self.draw(lines)

    def _back(self) -> str:
        return f"\x1b[{len(self._lines)}A\r" if self._lines else ""

    def __enter__(self) -> Self:
        self._stream.write(_HIDE)
        self._redirected.__enter__()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._redirected.__exit__(kind, error, trace)
        self._stream.write(_SHOW)
        self._stream.flush()


class _Above(io.TextIOBase):
    """Stands before stderr while a region is drawn there."""

    def __init__(self, region: Region) -> None:
        self._region = region
        self._begun = ""

    def isatty(self) -> bool:
        """It is one, or there would be no region."""
        return True

    def write(self, text: str) -> int:
        """Hand whole lines on."""
        whole, mark, self._begun = (self._begun + text).rpartition("\n")
        if mark:
            self._region.above(f"{whole}\n")
        return len(text)


class Screen:
    """All of the terminal on stdout, given back as it was; use it as a context manager."""

    def __init__(self) -> None:
        self._stream = sys.stdout

    def draw(self, lines: Sequence[str]) -> None:
        """Show *lines* from the top."""
        shown = "".join(f"{line}{_CLEAR_LINE}\r\n" for line in lines)
        shown = "\r\n".join(f"{line}{_CLEAR_LINE}" for line in lines)
        self._stream.write(f"{_HOME}{shown}{_CLEAR_BELOW}")
        self._stream.flush()

    def __enter__(self) -> Self:
        self._stream.write(f"{_OTHER_SCREEN}{_HIDE}")
        return self

    def __exit__(self, *_: object) -> None:
        self._stream.write(f"{_SHOW}{_OWN_SCREEN}")
        self._stream.flush()
