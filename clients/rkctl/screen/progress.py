"""How far something is, on stderr: bars on a terminal, now and then a plain line elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol

from rkctl.screen import render

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

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


class Lines:
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
            text += f" {part}% ({render.size(done) if done else 0} of {render.size(total)})"
        elif done > 0:
            text += f" {render.size(done)}"
        self._line = text
        self._complete = 0 < total <= done

    def speed(self, rate_bytes_per_s: float, remaining_s: float | None) -> None:
        """Print the line if it is due."""
        text = self._line
        if rate_bytes_per_s > 0 and not self._complete:
            text += f", {render.size(int(rate_bytes_per_s))}/s"
        if remaining_s is not None and not self._complete:
            text += f", {render.seconds(remaining_s)} left"
        now = self._clock()
        if text == self._said or (now < self._next_s and not self._complete):
            return
        render.note(text)
        self._said = text
        self._next_s = now + LINE_EVERY_S


class Bars:
    """A bar for the whole, and one for each file where there are several."""

    def __init__(self, bars: Progress) -> None:
        self._bars = bars
        self._tasks: dict[str, TaskID] = {}

    def update(
        self, title: str, stage: str, done: int, total: int, parts: list[tuple[str, int, int]]
    ) -> None:
        """Move the bars."""
        self._move("", title, stage, done, total)
        for name, part_done, part_total in parts:
            self._move(name, f"  {name}", "", part_done, part_total)

    def speed(self, rate_bytes_per_s: float, remaining_s: float | None) -> None:
        """Tell speed and time left behind the bar of the whole."""
        told = f"{render.size(int(rate_bytes_per_s))}/s" if rate_bytes_per_s > 0 else ""
        left = f"{render.seconds(remaining_s)} left" if remaining_s is not None else ""
        self._bars.update(self._tasks[""], speed=told, left=left)

    def _move(self, key: str, title: str, stage: str, done: int, total: int) -> None:
        if key not in self._tasks:
            self._tasks[key] = self._bars.add_task(
                render.clean(title), total=None, stage="", speed="", left="", amount=""
            )
        amount = render.size(done) if done else ""
        if total > 0:
            amount = f"{render.size(done)}/{render.size(total)}"
        self._bars.update(
            self._tasks[key],
            description=render.clean(title),
            completed=done,
            total=total or None,
            stage=render.clean(stage),
            amount=amount,
        )


@contextmanager
def progress(*, quiet: bool = False) -> Iterator[Shown]:
    """Yield what shows progress here: bars need terminals on stdout and stderr both."""
    if quiet:
        yield Silence()
        return
    if not (sys.stdout.isatty() and sys.stderr.isatty()):
        yield Lines()
        return
    from rich.console import Console  # noqa: PLC0415 - 60 ms, only for terminals
    from rich.progress import BarColumn, Progress, TextColumn  # noqa: PLC0415 - the same

    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=30),
        TextColumn("{task.fields[amount]}", markup=False),
        TextColumn("{task.fields[speed]}", markup=False),
        TextColumn("{task.fields[left]}", markup=False),
        TextColumn("{task.fields[stage]}", markup=False, style="dim"),
    )
    with Progress(*columns, console=Console(file=sys.stderr), refresh_per_second=8) as bars:
        yield Bars(bars)
