"""
An answer cut into blocks of markdown while it grows: what is finished never changes again.

Blocks end where markdown's own do: at a blank line, unless a list goes on behind it, and at a
fence. One without an end is cut, so that what is drawn again at each step stays small.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

MAX_BLOCK_CHARACTERS = 8 << 10
"""Of a block of text: the tail is drawn again at each step."""
MAX_CODE_CHARACTERS = 32 << 10
"""Of a block of code: its tail grows, and is never drawn again."""
MAX_LANGUAGE_CHARACTERS = 40
MANY = 200
"""So many blocks end where they like; then they are joined up to `LEAST_CHARACTERS`."""
LEAST_CHARACTERS = 2 << 10
MANY_CODES = 1_000
"""Behind so many blocks a fence is part of the text around it."""

_FENCE = re.compile(r" {0,3}(`{3,}|~{3,})[ \t]*([^\n`]{0,200})")
_INNER_FENCE = re.compile(r"[ \t]*(?:[-*+] +|\d{1,9}[.)] +)?(`{3,}|~{3,})")
_ITEM = re.compile(r" {0,3}(?:[-*+]|\d{1,9}[.)])[ \t]")
_GOES_ON = re.compile(r"(?:[ \t]{2,}\S| {0,3}(?:[-*+]|\d{1,9}[.)])[ \t])")


@dataclass(frozen=True, slots=True)
class Block:
    """
    A piece of an answer.

    Args:
        kind: `text` is markdown, `code` is what stood inside of a fence, to the letter.
        language: that the fence named.
        goes_on: of code: it belongs to the block before it.
    """

    kind: Literal["text", "code"]
    text: str
    language: str = ""
    goes_on: bool = False


class Blocks:
    """
    The blocks of one growing text.

    Args:
        done: those that are finished.
    """

    def __init__(self) -> None:
        self.done: list[Block] = []
        self._line = ""
        self._held: list[str] = []
        self._held_characters = 0
        self._blank = False
        self._list = False
        self._inner: str = ""
        self._fence: str = ""
        self._language = ""
        self._goes_on = False

    def add(self, text: str) -> None:
        """Take the next piece of the text; time grows with the piece alone."""
        *lines, rest = text.split("\n")
        for one in lines:
            self._line += one
            self._cut()
            line, self._line = self._line, ""
            self._take(line)
        self._line += rest
        self._cut()

    def _cut(self) -> None:
        """Cut a line without an end, at a blank where there is one."""
        most = MAX_CODE_CHARACTERS if self._fence else MAX_BLOCK_CHARACTERS
        while len(self._line) > most:
            at = self._line.rfind(" ", most // 2, most) + 1 or most
            head, self._line = self._line[:at], self._line[at:]
            if self._fence and self._held:
                self._hold("")
            self._flush()
            self._emit(head)

    def tail(self) -> Block | None:
        """Return what is not finished, None where all is."""
        if self._fence:
            held = "\n".join([*self._held, self._line])
            if self._could_close(self._line):
                held = "\n".join([*self._held, ""] if self._held else [])
            return Block("code", held, self._language, self._goes_on)
        held = "\n".join([*self._held, self._line])
        return Block("text", held) if held.strip() else None

    def end(self) -> None:
        """Finish what is left."""
        if self._line:
            line, self._line = self._line, ""
            self._take(line)
        self._flush(even_empty=bool(self._fence) and not self._goes_on)
        self._fence = ""

    def _take(self, line: str) -> None:
        if self._fence:
            self._take_code(line)
        elif self._inner:
            self._take_inner(line)
        else:
            self._take_text(line)

    def _take_code(self, line: str) -> None:
        if self._closes(line, self._fence):
            self._flush(even_empty=not self._goes_on)
            self._fence, self._goes_on = "", False
            return
        self._hold(line)
        if self._held_characters > MAX_CODE_CHARACTERS:
            self._hold("")  # the pieces joined are the code, to the letter
            self._flush()
            self._goes_on = True

    def _take_inner(self, line: str) -> None:
        """Take a line of code that stands inside of a list."""
        self._hold(line)
        if self._closes(line.strip(), self._inner):
            self._inner = ""
        self._bound()

    def _take_text(self, line: str) -> None:
        if not line.strip():
            self._blank = bool(self._held)
            if self._held and not self._list and self._may_end():
                self._flush()
            elif self._held:
                self._hold(line)
            return
        if self._blank and not (self._list and _GOES_ON.match(line)) and self._may_end():
            self._flush()
        if self._blank or not self._held:
            self._list = _ITEM.match(line) is not None or (self._list and line[:2].isspace())
        self._blank = False
        inside = self._list and line[:2].isspace()
        opened = _FENCE.match(line)
        if opened and not inside and len(self.done) < MANY_CODES:
            self._flush()
            self._fence = opened[1]
            words = opened[2].split()
            self._language = words[0][:MAX_LANGUAGE_CHARACTERS] if words else ""
            return
        if inner := _INNER_FENCE.match(line):
            self._inner = inner[1]
        self._hold(line)
        self._bound()

    def _may_end(self) -> bool:
        return len(self.done) < MANY or self._held_characters >= LEAST_CHARACTERS

    def _bound(self) -> None:
        if self._held_characters > MAX_BLOCK_CHARACTERS:
            self._flush()

    def _hold(self, line: str) -> None:
        self._held.append(line)
        self._held_characters += len(line) + 1

    def _emit(self, text: str) -> None:
        if self._fence:
            self.done.append(Block("code", text, self._language, self._goes_on))
            self._goes_on = True
        else:
            self.done.append(Block("text", text))

    def _flush(self, *, even_empty: bool = False) -> None:
        held = "\n".join(self._held)
        self._held, self._held_characters = [], 0
        self._blank = self._list = False
        self._inner = ""
        if even_empty or (held if self._fence else held.strip()):
            self._emit(held if self._fence else held.rstrip())

    @staticmethod
    def _closes(line: str, fence: str) -> bool:
        bare = line.strip()
        return len(bare) >= len(fence) and not bare.strip(fence[0])

    def _could_close(self, line: str) -> bool:
        """Whether *line*, not yet whole, may become the end of the fence."""
        bare = line.strip()
        return bool(bare) and not bare.strip(self._fence[0])


def blocks_of(text: str) -> list[Block]:
    """Return the blocks of a whole *text*."""
    made = Blocks()
    made.add(text)
    made.end()
    return made.done
