"""The lease on the NPU."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from rkd.backend.lease import take


def test_one_has_it_at_a_time(tmp_path: Path) -> None:
    """Whoever closes it gives it to the next."""
    path = str(tmp_path / "npu.lease")
    first = take(path)
    assert first is not None
    with pytest.raises(TimeoutError, match="keeps the NPU"):
        take(path, bound_s=0.0)

    threading.Timer(0.0, first.close).start()
    second = take(path)
    assert second is not None
    second.close()


def test_none_is_needed_without_a_path() -> None:
    """An engine that computes elsewhere."""
    assert take("") is None
