"""How far something is, on stderr: bars on a terminal, now and then a plain line elsewhere."""

from __future__ import annotations

import shutil
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol

from rkd_client import quantity

from rkctl.screen import layout, render
from rkctl.screen.live import Region

SHORTEST_BAR = 10
LONGEST_BAR = 30

DRAWN_EVERY_S = 0.125
"""Bars are drawn anew at most this often."""

LINE_EVERY_S = 5.0
"""Plain lines come at most this often while nothing but the numbers change."""


class Shown(Protocol):
    """Something that shows how far a task is."""

    def update(
        self, title: str, stage: str, done: int, total: int, parts: list[tuple[str, int, int]]
    ) -> None:
        """Show *done* of *total* bytes; *parts* are name, done and total of single files."""

    def speed(self, rate_bytes_per_s: float, remaining_s: float | None) -> None:
        """Tell the speed and what is left, as the daemon measured it."""


class Silence:
    """Shows nothing: what `--json` wants."""

    def update(
        self, title: str, stage: str, done: int, total: int, parts: list[tuple[str, int, int]]
    ) -> None:
        """Show nothing."""

    def speed(self, rate_bytes_per_s: float, remaining_s: float | None) -> None:
        """Show nothing."""


class PlainLines:
    """Plain lines: a new stage at once, else one in a while and one at the end of a stage."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._stage = ""
        self._said = ""
        self._next_s = 0.0
        self._line = ""
        self._complete = False

    def update(
        self, title: str, stage: str, done: int, total: int, parts: list[tuple[str, int, int]]
    ) -> None:
        """Remember the line; a new stage makes it due."""
        del parts  # a line for each file would be many
        if not stage and not total:  # nothing to tell yet
            self._line = self._said
            return
        text = f"{title}: {stage}"
        if stage != self._stage:
            self._stage = stage
            self._next_s = 0.0
        if total > 0:
            part = int(100 * done / total)
            text += f" {part}% ({quantity.size(done) if done else 0} of {quantity.size(total)})"
        elif done > 0:
            text += f" {quantity.size(done)}"
        self._line = text
        self._complete = 0 < total <= done

    def speed(self, rate_bytes_per_s: float, remaining_s: float | None) -> None:
        """Print the line if it is due."""
        text = self._line
        if rate_bytes_per_s > 0 and not self._complete:
            text += f", {quantity.size(int(rate_bytes_per_s))}/s"
        if remaining_s is not None and not self._complete:
            text += f", {render.left(remaining_s)}"
        now = self._clock()
        if text == self._said or (now < self._next_s and not self._complete):
            return
        render.note(text)
        self._said = text
        self._next_s = now + LINE_EVERY_S


@dataclass(slots=True)
class Bar:
    """One line: whose progress it is, and how it stands."""

    title: str
    stage: str = ""
    done: int = 0
    total: int = 0
    speed: str = ""
    left: str = ""

    def line(self, columns: int, full: str, rest: str) -> str:
        """
        Return it *columns* wide, a bar of the characters *full* and *rest* in the middle.

        What matters least is left out first: the stage, the time left, the speed, the amount.
        """
        amount = quantity.size(self.done) if self.done else ""
        if self.total > 0:
            percent = f"{min(100, int(100 * self.done / self.total))}%".rjust(4)
            amount = f"{percent} {quantity.size(self.done)}/{quantity.size(self.total)}"
        words = [word for word in (amount, self.speed, self.left, self.stage) if word]
        title = layout.cut(render.clean(self.title), max(SHORTEST_BAR, columns // 3))
        while True:
            room = columns - layout.width_of("  ".join([title, *words])) - 2
            if room >= SHORTEST_BAR or not words:
                break
            words.pop()
        bar = min(LONGEST_BAR, max(SHORTEST_BAR, room))
        part = round(bar * min(1.0, self.done / self.total)) if self.total > 0 else 0
        return "  ".join([title, full * part + rest * (bar - part), *words])


class Bars:
    """
    A bar for the whole, and one for each file where there are several.

    Args:
        region: where they are drawn.
        clock: seconds.
    """

    def __init__(self, region: Region, clock: Callable[[], float] = time.monotonic) -> None:
        self._region = region
        self._clock = clock
        self._next_s = 0.0
        self._bars: dict[str, Bar] = {}
        self._marks = "━╌" if render.shows("━╌", sys.stderr) else "#-"

    def update(
        self, title: str, stage: str, done: int, total: int, parts: list[tuple[str, int, int]]
    ) -> None:
        """Move the bars."""
        self._move("", title, stage, done, total)
        for name, part_done, part_total in parts:
            self._move(name, f"  {name}", "", part_done, part_total)

    def speed(self, rate_bytes_per_s: float, remaining_s: float | None) -> None:
        """Tell the speed and what is left behind the bar of the whole, and draw when it is time."""
        whole = self._bars[""]
        whole.speed = f"{quantity.size(int(rate_bytes_per_s))}/s" if rate_bytes_per_s > 0 else ""
        whole.left = render.left(remaining_s) if remaining_s is not None else ""
        if self._clock() >= self._next_s:
            self.draw()

    def draw(self) -> None:
        """Draw all of them as they stand."""
        self._next_s = self._clock() + DRAWN_EVERY_S
        columns = max(render.NARROWEST, shutil.get_terminal_size().columns) - 1
        lines = (bar.line(columns, *self._marks) for bar in self._bars.values())
        self._region.draw([layout.cut(line, columns) for line in lines])

    def _move(self, key: str, title: str, stage: str, done: int, total: int) -> None:
        bar = self._bars.setdefault(key, Bar(title))
        bar.title, bar.stage, bar.done, bar.total = title, render.clean(stage), done, total


@contextmanager
def progress(*, quiet: bool = False) -> Iterator[Shown]:
    """Yield what shows progress here: bars need terminals on stdout and stderr both."""
    if quiet:
        yield Silence()
        return
    if not (sys.stdout.isatty() and render.is_live(sys.stderr)):
        yield PlainLines()
        return
    with Region(sys.stderr) as region:
        bars = Bars(region)
        try:
            yield bars
        finally:
            bars.draw()
