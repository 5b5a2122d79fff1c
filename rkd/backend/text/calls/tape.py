"""
Text that comes in pieces, read as if it were whole.

A reader is a generator that yields when it wants more text; so each way of writing calls is
straight code, and the same text is read alike however it was cut. Every character is looked at a
bounded number of times. No I/O.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Generator

Reading = Generator[None, None, None]
BLANK = " \t\r\n"
MOST_NAME = 256
"""Longest header in front of arguments: a name of 64 characters, an id, and what stands between."""
MOST_DEPTH = 128
"""Deepest nesting of arguments; what is deeper is no call."""

_CONTROLS = {at: f"\\u{at:04x}" for at in range(32)} | {
    ord("\n"): "\\n",
    ord("\r"): "\\r",
    ord("\t"): "\\t",
}
_IN_STRING = re.compile(r'[^"\\]+')
_SCALAR = re.compile(r'[^"{}\[\],: \t\r\n]+')


class NoCallError(Exception):
    """What was read is no call."""


class CutError(NoCallError):
    """The answer ended before the call did."""


class Tape:
    """The text of one block: fed from outside, read by one generator."""

    def __init__(self) -> None:
        self._held = ""
        self._at = 0
        self._ended = False
        self._read: list[str] = []

    def feed(self, text: str) -> None:
        """Take more text."""
        self._held = self._held[self._at :] + text
        self._at = 0

    def end(self) -> None:
        """Say that no more comes."""
        self._ended = True

    def rest(self) -> str:
        """What was not read; it is gone from here."""
        held, self._held = self._held[self._at :], ""
        self._at = 0
        return held

    def mark(self) -> None:
        """Forget what was read: it has come out."""
        self._read.clear()

    @property
    def read(self) -> str:
        """What was read since the last `mark`."""
        return "".join(self._read)

    def _take(self, count: int) -> str:
        taken = self._held[self._at : self._at + count]
        self._at += count
        self._read.append(taken)
        return taken

    def _more(self) -> Reading:
        if self._ended:
            raise CutError
        yield

    def peek(self) -> Generator[None, None, str]:
        """
        Return the next character that is no blank, and pass the blanks before it.

        Raises:
            CutError: there is none.
        """
        while True:
            while self._at < len(self._held):
                if self._held[self._at] not in BLANK:
                    return self._held[self._at]
                self._take(1)
            yield from self._more()

    def next(self) -> Generator[None, None, str]:
        """Take the next character, whatever it is."""
        while self._at >= len(self._held):
            yield from self._more()
        return self._take(1)

    def back(self, text: str) -> None:
        """Put *text*, which was the last read, back."""
        self._held = text + self._held[self._at :]
        self._at = 0
        self._read.clear()

    def solid(self) -> Generator[None, None, str]:
        """Take the next character that is no blank."""
        yield from self.peek()
        return self._take(1)

    def has(self, *words: str) -> Generator[None, None, str]:
        """
        Pass blanks and the first of *words* that stands there; "" when none does.

        Where none does, nothing is passed: the blanks are text's.
        """
        while True:
            held = self._held[self._at :]
            bare = held.lstrip(BLANK)
            for word in words:
                if bare.startswith(word):
                    self._take(len(held) - len(bare) + len(word))
                    return word
            if self._ended or not any(word.startswith(bare) for word in words):
                return ""
            yield

    def need(self, *words: str) -> Generator[None, None, str]:
        """
        Pass one of *words*.

        Raises:
            NoCallError: something else stands there.
        """
        word = yield from self.has(*words)
        if not word:
            raise CutError if self._ended and not self._held[self._at :].strip() else NoCallError
        return word

    def stream(
        self, marks: tuple[str, ...], out: Callable[[str], None]
    ) -> Generator[None, None, str]:
        """
        Give *out* what stands before the first of *marks* as it comes; pass and return the mark.

        Returns:
            The mark, or "" when the text ended without one.
        """
        longest = max(map(len, marks))
        while True:
            held = self._held[self._at :]
            found = [(place, mark) for mark in marks if (place := held.find(mark)) >= 0]
            if found:
                place, mark = min(found, key=lambda one: (one[0], -len(one[1])))
                out(self._take(place))
                self._take(len(mark))
                return mark
            sure = len(held) if self._ended else max(len(held) - longest + 1, 0)
            tail = held[sure:]
            while tail and not any(mark.startswith(tail) for mark in marks):
                tail = tail[1:]
            if len(tail) < len(held):
                out(self._take(len(held) - len(tail)))
            if self._ended:
                return ""
            yield

    def until(self, *marks: str, most: int = 0) -> Generator[None, None, tuple[str, str]]:
        """
        Take what stands before the first of *marks*, and that mark.

        Args:
            marks: what ends it.
            most: characters it may have; 0 for any number.

        Raises:
            CutError: the text ended before.
            NoCallError: it is longer than *most*.
        """
        parts: list[str] = []
        count = 0

        def keep(text: str) -> None:
            nonlocal count
            count += len(text)
            if most and count > most:
                raise NoCallError
            parts.append(text)

        mark = yield from self.stream(marks, keep)
        if not mark:
            raise CutError
        return "".join(parts), mark

    def word(self, pattern: re.Pattern[str]) -> Generator[None, None, str]:
        """Take all characters, from here, that *pattern* matches one by one."""
        parts: list[str] = []
        while True:
            found = pattern.match(self._held, self._at)
            if found:
                parts.append(self._take(found.end() - self._at))
            if self._at < len(self._held) or self._ended:
                return "".join(parts)
            yield

    def json(  # noqa: C901, PLR0912 - one branch a kind of character
        self, out: Callable[[str], None]
    ) -> Reading:
        """
        Give *out* one JSON value as it comes, its blanks and controls as `json.dumps` writes them.

        Brackets are counted and strings are passed over: a marker inside a string is its text.
        Whether what stands between them is JSON is for who collects it to see.

        Raises:
            CutError: the text ended inside it.
            NoCallError: no value begins here, or one deeper than MOST_DEPTH.
        """
        first = yield from self.peek()
        if first in "]},:":
            raise NoCallError
        depth = 0
        scalar = gap = False
        while True:
            while self._at >= len(self._held):
                if self._ended and scalar and not depth:
                    return
                yield from self._more()
            char = self._held[self._at]
            if char == '"':
                self._take(1)
                out(char)
                yield from self._string(out)
                scalar = False
            elif char in "{[":
                depth += 1
                if depth > MOST_DEPTH:
                    raise NoCallError
                out(self._take(1))
                scalar = False
            elif char in "}],:":
                if not depth:
                    return
                self._take(1)
                out(char + " " if char in ",:" else char)
                depth -= char in "}]"
                scalar = False
            elif char in BLANK:
                if scalar and not depth:
                    return
                self._take(1)
                gap = scalar
                continue
            else:
                match = _SCALAR.match(self._held, self._at)
                run = self._take(match.end() - self._at) if match else self._take(1)
                out(" " + run if gap and scalar else run)
                scalar = True
            gap = False
            if not depth and not scalar:
                return

    def _string(self, out: Callable[[str], None]) -> Reading:
        """Give *out* the rest of a JSON string and its closing quote."""
        while True:
            while self._at >= len(self._held):
                yield from self._more()
            char = self._held[self._at]
            if char == '"':
                out(self._take(1))
                return
            if char == "\\":
                self._take(1)
                while self._at >= len(self._held):
                    yield from self._more()
                out(char + self._take(1))
            else:
                match = _IN_STRING.match(self._held, self._at)
                run = self._take(match.end() - self._at) if match else self._take(1)
                out(run.translate(_CONTROLS))

    def collected(self) -> Generator[None, None, str]:
        """Take one JSON value, whole."""
        parts: list[str] = []
        yield from self.json(parts.append)
        return "".join(parts)
