"""The same bytes under a second name."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from rkd.library.copying import copy_folder, link_or_copy, own_bytes
from tests.unit.library.folders import put, tree


def test_a_link_costs_nothing(tmp_path: Path) -> None:
    """Both names are one file."""
    source = put(tmp_path / "a.gguf")
    link_or_copy(source, tmp_path / "b.gguf")

    assert (tmp_path / "b.gguf").samefile(source)


def test_without_links_it_is_a_copy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """FAT knows none, and another owner's files may not be linked."""

    def refuse(*_args: object) -> None:
        raise PermissionError(1, "no links here")

    source = put(tmp_path / "a.gguf")
    monkeypatch.setattr(os, "link", refuse)
    link_or_copy(source, tmp_path / "b.gguf")

    assert (tmp_path / "b.gguf").read_bytes() == b"weights"
    assert not (tmp_path / "b.gguf").samefile(source)
    assert (tmp_path / "b.gguf").stat().st_mtime == source.stat().st_mtime


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    """A target that is there stays."""
    source, target = put(tmp_path / "a.gguf"), put(tmp_path / "b.gguf", "other")
    with pytest.raises(FileExistsError):
        link_or_copy(source, target)

    assert target.read_bytes() == b"other"


def test_a_folder_is_copied_with_what_belongs_to_the_model(tmp_path: Path) -> None:
    """Weights shared, other files its own; hidden files and dead links stay behind."""
    put(tmp_path / "m" / "x.gguf")
    put(tmp_path / "m" / "tokenizer" / "tokenizer.json", "{}")
    put(tmp_path / "m" / ".rkd.json", "{}")
    put(tmp_path / "m" / ".git" / "config", "")
    put(tmp_path / "m" / ".x.swp", "")
    (tmp_path / "m" / "dead").symlink_to("nowhere")
    (tmp_path / "n").mkdir()
    copy_folder(tmp_path / "m", tmp_path / "n")

    assert tree(tmp_path / "n") == {"tokenizer/tokenizer.json": b"{}", "x.gguf": b"weights"}
    assert (tmp_path / "n" / ".rkd.json").exists()
    assert not (tmp_path / "n" / ".git").exists()
    assert (tmp_path / "n" / "x.gguf").samefile(tmp_path / "m" / "x.gguf")
    assert own_bytes(tmp_path / "n") == 4
