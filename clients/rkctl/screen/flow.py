"""A text that comes in pieces, broken into lines between words. Pure: what to write comes back."""

from __future__ import annotations

from rkctl.screen.layout import width_of

NARROWEST = 20
TAB = 8


class Flow:
    """
    Lines of at most *columns*; a word that does not fit is taken back and begins the next line.

    A word longer than a line is left to the terminal.
    """

    def __init__(self, columns: int) -> None:
        self._columns = columns
        self._at = 0
        self._word = ""

    def take(self, text: str) -> str:
        """Return what to write for the next piece, *text*."""
        return text if self._columns < NARROWEST else "".join(map(self._next, text))

    def _next(self, character: str) -> str:
        if character == "\n":
            self._at, self._word = 0, ""
            return character
        width = TAB - self._at % TAB if character == "\t" else width_of(character)
        before = ""
        if self._at + width >= self._columns:
            taken = width_of(self._word)
            if character.isspace():
                self._at, self._word = 0, ""
                return "\n"
            if taken + width < self._columns:
                # Back to where the word began, clear the line from there, and again below.
                back = f"\x1b[{taken}D\x1b[K" if taken else ""
                before, self._at = f"{back}\n{self._word}", taken
            else:
                self._at = 0
        self._at += width
        self._word = "" if character.isspace() else self._word + character
        return before + character
