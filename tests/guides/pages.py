"""The guides as programs: which commands a page has, and what it says they print. Pure."""

from __future__ import annotations

import doctest
import re
from dataclasses import dataclass

_FENCE = re.compile(r"^```(?P<info>[^\n]*)\n(?P<body>.*?)^```$", re.MULTILINE | re.DOTALL)
_MATCH = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE


@dataclass(frozen=True, slots=True)
class Block:
    """
    One fenced block.

    Args:
        info: what follows the fence: `console`, `console on a board`, `toml rkd.toml` …
        body: its lines.
    """

    info: str
    body: str

    @property
    def runs(self) -> bool:
        """Whether a test runs it."""
        return self.info == "console"


@dataclass(frozen=True, slots=True)
class Command:
    """A line to type, and what the page says comes: `...` stands for anything."""

    line: str
    output: str

    def matches(self, printed: str) -> bool:
        """Whether *printed* is what the page says."""
        if not self.output:
            return not printed.strip()
        return doctest.OutputChecker().check_output(self.output, printed, _MATCH)


def blocks(page: str) -> list[Block]:
    """Every fenced block of *page*, in order."""
    return [Block(found["info"], found["body"]) for found in _FENCE.finditer(page)]


def commands(block: Block) -> list[Command]:
    """The commands of a console block with what follows each of them."""
    made: list[Command] = []
    for line in block.body.splitlines():
        if line.startswith("$ "):
            made.append(Command(line.removeprefix("$ "), ""))
        elif made:
            last = made.pop()
            made.append(Command(last.line, f"{last.output}{line}\n"))
    return made
