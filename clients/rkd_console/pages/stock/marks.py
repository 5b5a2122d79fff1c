"""
What is wrong with a Modelfile, as marks in its text. Pure.

The problems are those of `rkctl lint`; here they get the place in the text that an editor marks.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from rkd.modelfile.commands import ProblemSeverity
from rkd.modelfile.lint import lint

MOST_SIGNS: Final = 200_000
"""What is longer is not edited in a page; a Modelfile with its template has some thousands."""

LONGEST_MARK: Final = 200


@dataclass(frozen=True, slots=True)
class Mark:
    """
    One problem.

    Args:
        line, column: as people count, from 1.
        begin, end: what is marked, as indices of the text.
    """

    line: int
    column: int
    is_error: bool
    message: str
    begin: int
    end: int


def in_editor(text: str) -> str:
    """Return *text* as an editor holds it: lines end in a line feed alone."""
    return text.replace("\r\n", "\n").replace("\r", "\n")


def marks_of(text: str) -> tuple[Mark, ...]:
    """Judge *text*; takes a fifth of a second at a Modelfile's bounds, so not on an event loop."""
    starts = [0]
    for line in text.split("\n"):
        starts.append(starts[-1] + len(line) + 1)
    found = []
    for problem in lint(text):
        at = min(max(1, problem.line), len(starts) - 1)
        first, behind = starts[at - 1], max(starts[at - 1], starts[at] - 1)
        begin = min(first + max(0, problem.column - 1), behind)
        if begin == behind:  # nothing stands there: the whole line is meant
            begin = first
        is_error = problem.severity is ProblemSeverity.ERROR
        end = min(behind, begin + LONGEST_MARK)
        found.append(Mark(problem.line, problem.column, is_error, problem.message, begin, end))
    return tuple(found)


def decorations(marks: tuple[Mark, ...]) -> list[dict[str, Any]]:
    """Return *marks* as the editor takes them; one without text to stand on is told in the list."""
    return [
        {
            "kind": "mark",
            "from": mark.begin,
            "to": mark.end,
            "class": "stock-error" if mark.is_error else "stock-warning",
        }
        for mark in marks
        if mark.end > mark.begin
    ]
