"""One line on the terminal that says what is being waited for, gone when the answer comes."""

from __future__ import annotations

import shutil
import sys
from types import TracebackType
from typing import Self

from rkctl.screen import layout, render
from rkd.v1 import types_pb2 as types


class StatusLine:
    """
    The line; silent unless both stdout and stderr are terminals.

    A retry or a fallback is told for good, everywhere: it changes what the user gets.
    """

    def __init__(self) -> None:
        self._live = sys.stdout.isatty() and render.is_live(sys.stderr)
        self._shown = False
        self._told = ""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.clear()

    def queued(self, event: types.Queued) -> None:
        """Show the place in the queue."""
        wait = ""
        if event.HasField("estimated_wait"):
            wait = f", about {render.duration(event.estimated_wait)}"
        place = "next" if event.position == 0 else f"{event.position} before this"
        self.show(f"waiting: {place}{wait}")

    def loading(self, event: types.Loading, model: str) -> None:
        """Show how far the load is."""
        if event.stage in {"retrying", "falling-back"} and event.detail != self._told:
            self._told = event.detail
            self.clear()
            render.note(f"{event.stage.replace('-', ' ')}: {event.detail}")
        leaving = f" (leaving: {', '.join(event.evicting)})" if event.evicting else ""
        part = f" {event.fraction:.0%}" if event.HasField("fraction") else ""
        self.show(f"{event.stage.replace('-', ' ')} {model}{part}{leaving}")

    def prefill(self, event: types.Prefill) -> None:
        """Show how much of the prompt is read."""
        self.show(f"reading the prompt: {event.processed_tokens}/{event.total_tokens} tokens")

    def show(self, text: str) -> None:
        """Replace the line by *text*."""
        if not self._live:
            return
        width = shutil.get_terminal_size().columns - 1
        line = layout.cut(render.clean(text), width)
        sys.stderr.write(f"\r\x1b[K{render.styled(line, stream=sys.stderr, dim=True)}")
        sys.stderr.flush()
        self._shown = True

    def clear(self) -> None:
        """Take the line away."""
        if self._shown:
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()
            self._shown = False
