"""What the file system of the models folder cannot do."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from rkd.library.filesystem import probe
from tests.unit.library.folders import entries


def test_a_usual_one_has_nothing_to_tell(tmp_path: Path) -> None:
    """And nothing stays behind."""
    assert str(probe(tmp_path)) == ""
    assert entries(tmp_path) == []


def test_missing_links_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """exFAT: copies do not share their weights."""

    def refuse(*_args: object) -> None:
        raise PermissionError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "link", refuse)

    assert "do not share their weights" in str(probe(tmp_path))
    assert entries(tmp_path) == []


def test_a_read_only_one_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Models are served as they are."""

    def refuse(*_args: object) -> int:
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr(os, "open", refuse)

    assert "nothing can be changed" in str(probe(tmp_path))
