"""A fake board for the client library, and a clean environment."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.rkctl.conftest import rkctl
from tests.unit.rkctl.fake_board import FakeBoard

__all__ = ["rkctl"]


@pytest.fixture
def board(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeBoard]:
    """A board on a socket of its own, found by the environment."""
    for name in ("RKD_TOKEN", "RKD_CONTEXT", "RKD_CA", "RKD_CERT", "RKD_KEY"):
        monkeypatch.delenv(name, raising=False)
    with FakeBoard(tmp_path) as running:
        monkeypatch.setenv("RKD_ENDPOINT", str(running.socket))
        monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
        yield running
