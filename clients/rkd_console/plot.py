"""
Lines over the last minutes, drawn in the browser from numbers: each status costs some bytes.

The figures themselves are text beside them; the lines say nothing to who does not see them.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from typing import Final

from nicegui import ui

from rkd_console.elements import words

SPAN_S: Final = 600.0
"""The width of every plot."""

LINES: Final = 8
"""In one plot."""

Point = tuple[float, Sequence[float]]
"""Seconds since the epoch, and a number for each line."""


class Plot:
    """
    A few lines with a title, the figures of now beside it.

    Args:
        title: of it.
        top: the value at the upper edge; 0 for whatever is highest.
        least_top: of a plot whose top follows its lines.
    """

    def __init__(self, title: str, *, top: float = 0.0, least_top: float = 1.0) -> None:
        with ui.element("figure").classes("rkd-figure-box"):
            with ui.element("figcaption"):
                words("span", title)
                self._now = words("span", "", "rkd-figure")
            lines = "".join(f'<path class="rkd-line-{number}"/>' for number in range(LINES))
            attributes = 'viewBox="0 0 600 100" preserveAspectRatio="none" aria-hidden="true"'
            drawn = f'<svg class="rkd-plot" {attributes}>{lines}</svg>'
            self._box = ui.html(drawn, sanitize=False)
        self._top, self._least_top = top, least_top

    def begin(self, points: Sequence[Point]) -> None:
        """Draw what is known."""
        limits = {"top": self._top, "least": self._least_top, "span": SPAN_S}
        self._tell("rkdPlotBegin", [_finite(one) for one in points], limits)

    def add(self, point: Point) -> None:
        """Draw one more."""
        self._tell("rkdPlotAdd", _finite(point))

    def say(self, now: str) -> None:
        """Say what it is *now*."""
        self._now.text = now

    def _tell(self, function: str, *given: object) -> None:
        told = ", ".join(json.dumps(one) for one in (self._box.html_id, *given))
        ui.run_javascript(f"{function}({told})")


def _finite(point: Point) -> tuple[float, list[float]]:
    at_s, values = point
    return round(at_s, 1), [
        round(one, 3) if math.isfinite(one) else 0.0 for one in tuple(values)[:LINES]
    ]
