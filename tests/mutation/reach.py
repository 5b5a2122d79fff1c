"""Which test enters which function of a file, and how long each test takes: measured once."""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType

_ANYWHERE = "*"
"""Of a test that forks: where its child goes is not seen."""


@dataclass(slots=True)
class Reach:
    """
    What is known of each test, by its index.

    Args:
        took_s: how long it took with the right file.
        entered: qualified names of the functions it came into.
    """

    took_s: dict[int, float] = field(default_factory=dict)
    entered: dict[int, frozenset[str]] = field(default_factory=dict)
    _seen: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        """Learn of forks; a hook of that kind is never taken back."""
        os.register_at_fork(after_in_parent=lambda: self._seen.add(_ANYWHERE))

    @contextmanager
    def watching(self, index: int, source: Path) -> Iterator[None]:
        """Note what test *index* does to the functions of *source*, on every thread."""
        seen = self._seen = set()
        name = str(source)

        def entered(frame: FrameType, event: str, _argument: object) -> None:
            if event == "call" and frame.f_code.co_filename == name:
                seen.add(frame.f_code.co_qualname)

        begun_s = time.monotonic()
        threading.setprofile(entered)
        sys.setprofile(entered)
        try:
            yield
        finally:
            sys.setprofile(None)
            threading.setprofile(None)
            self.took_s[index] = time.monotonic() - begun_s
            self.entered[index] = frozenset(seen)

    def of(self, function: str, order: Sequence[int]) -> list[int]:
        """Those of *order* that come into *function*, or into one defined in it."""
        inner, names = f"{function}.<locals>.", {function, _ANYWHERE}
        return [
            index
            for index in order
            if any(one in names or one.startswith(inner) for one in self.entered[index])
        ]

    def write(self, path: Path) -> None:
        """Keep it for the process that forks."""
        rows = {index: [self.took_s[index], sorted(self.entered[index])] for index in self.took_s}
        path.write_text(json.dumps(rows), encoding="utf-8")

    @classmethod
    def read(cls, path: Path) -> Reach:
        """Read it back."""
        rows = json.loads(path.read_text(encoding="utf-8"))
        return cls(
            {int(index): took_s for index, (took_s, _) in rows.items()},
            {int(index): frozenset(names) for index, (_, names) in rows.items()},
        )
