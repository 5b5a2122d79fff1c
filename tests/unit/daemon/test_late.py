"""What is imported when it is wanted: aside, once, with what it needs."""

from __future__ import annotations

import asyncio
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from rkd.daemon.late import Late

SOURCE = "import threading\nTHREAD = threading.current_thread()\n"


async def test_what_is_late_is_imported_aside_with_what_it_needs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The loop is nobody's to wait for; two who ask at once have the same."""
    monkeypatch.syspath_prepend(str(tmp_path))
    for name in ("late_needed_one", "late_wanted_one"):
        (tmp_path / f"{name}.py").write_text(SOURCE)
    needed: Late[Any] = Late("late_needed_one", lambda module: module)
    made: list[object] = []

    def make(module: Any) -> tuple[Any, Any]:
        made.append(module)
        return module, needed.now()

    wanted = Late("late_wanted_one", make, needs=needed)
    first, second = await asyncio.gather(wanted.get(), wanted.get())

    assert first is second
    assert len(made) == 1
    assert all(one.THREAD is not threading.current_thread() for one in first)
    for name in ("late_needed_one", "late_wanted_one"):
        del sys.modules[name]
