"""
A Modelfile as data: its commands with their places, its problems, its dialect.

Reading is `parse.py` (both dialects), writing is `render.py`; here are only the types they share.
"""

from __future__ import annotations

import enum
import re
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass

from rkd.errors import InvalidInputError, Reason, Violation

MAX_BYTES = 1024 * 1024
"""No Modelfile is longer: licences of half a megabyte exist, templates are some kilobytes."""
MAX_LINES = 50_000
"""As many as half a megabyte of licences has, five times over."""
MAX_COMMANDS = 4_096
"""Of all kinds together: parameters, messages, licences; as many the env form's lists hold."""
MAX_PROBLEMS = 100
"""Nobody mends more at a time; reading ends there."""
MAX_VIOLATIONS = 10
"""An error lists so many problems, and says how many more there are."""

_LINE_END = re.compile(r"\r\n|\r|\n")


class Dialect(enum.StrEnum):
    """Which of the two spellings a Modelfile is written in."""

    OLLAMA = "ollama"
    """`FROM x`, `PARAMETER temperature 0.5` …"""
    ENV = "env"
    """rkllama's `FROM="x.rkllm"`, `TEMPERATURE=0.5` …"""


class ProblemSeverity(enum.StrEnum):
    """Whether a problem stops a create."""

    ERROR = "error"
    WARNING = "warning"


KEYWORDS = (
    "FROM",
    "LICENSE",
    "TEMPLATE",
    "SYSTEM",
    "ADAPTER",
    "DRAFT",
    "RENDERER",
    "PARSER",
    "PARAMETER",
    "MESSAGE",
    "REQUIRES",
    "UNSET",
    "HUGGINGFACE_PATH",
)
"""Every command of the Ollama dialect; the last two are rkd's own."""

ROLES = ("system", "user", "assistant")
"""Who a MESSAGE can be from; there is no `tool`."""

CLEARABLE = ("SYSTEM", "TEMPLATE", "MESSAGES", "ADAPTER", "LICENSE", "PARAMETER")
"""What UNSET takes back from a parent; PARAMETER wants a key behind it."""


@dataclass(frozen=True, slots=True)
class Command:
    """
    One command.

    Args:
        keyword: upper case, one of `KEYWORDS`, or `ENV` for a key of the env form that rkd keeps
            without knowing it.
        value: without its quotes, otherwise byte for byte.
        name: parameter key, message role, what UNSET clears, or the unknown env key.
        line, column: of the keyword, from 1; 0 for a command nobody wrote.
        value_line, value_column: of the value (of the name, for a wrong name).
    """

    keyword: str
    value: str
    name: str = ""
    line: int = 0
    column: int = 0
    value_line: int = 0
    value_column: int = 0

    @property
    def bare(self) -> tuple[str, str, str]:
        """What the command says, without where it stands."""
        return self.keyword, self.name, self.value


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong with a Modelfile, and where; line and column count from 1."""

    line: int
    column: int
    message: str
    severity: ProblemSeverity = ProblemSeverity.ERROR

    @property
    def place(self) -> str:
        """`line L, column C`."""
        return f"line {self.line}, column {self.column}"

    def __str__(self) -> str:
        return f"{self.place}: {self.severity}: {self.message}"


class Places:
    """Turns offsets of one text into lines and columns; CR LF counts as one line end."""

    def __init__(self, text: str) -> None:
        self._starts = [0, *(end.end() for end in _LINE_END.finditer(text))]

    def of(self, offset: int) -> tuple[int, int]:
        """Line and column of *offset*, both from 1."""
        line = bisect_right(self._starts, offset)
        return line, offset - self._starts[line - 1] + 1


def refuse(problems: list[Problem]) -> InvalidInputError:
    """
    Build the INVALID_MODELFILE error for *problems* (at least one error among them).

    The message is the first error's; each of the first `MAX_VIOLATIONS` is a violation whose field
    is its place.
    """
    errors = [problem for problem in problems if problem.severity is ProblemSeverity.ERROR]
    first = errors[0]
    return InvalidInputError(
        Reason.INVALID_MODELFILE,
        f"Modelfile, {first.place}: {first.message}",
        remedy="`rkctl lint FILE` lists every problem of a Modelfile.",
        metadata={"line": str(first.line), "column": str(first.column)},
        violations=tuple(_violations(errors)),
    )


def _violations(errors: list[Problem]) -> Iterator[Violation]:
    for error in errors[:MAX_VIOLATIONS]:
        yield Violation(error.place, error.message)
    left = errors[MAX_VIOLATIONS:]
    if left:
        yield Violation(left[0].place, f"here and further on: {len(left)} more problems")
