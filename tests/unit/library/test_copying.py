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


def test_content_is_copied_where_nothing_else_can_be_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """exFAT, NTFS, CIFS: no links, no modes, no times; the bytes are there."""

    def refuse(*_args: object, **_more: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    put(tmp_path / "m" / "x.gguf")
    put(tmp_path / "m" / "Modelfile", "FROM ./x.gguf\n")
    for function in ("link", "chmod", "utime"):
        monkeypatch.setattr(os, function, refuse)
    copy_folder(tmp_path / "m", tmp_path / "n")

    assert tree(tmp_path / "n") == tree(tmp_path / "m")


def test_what_is_no_file_of_the_model_stays_behind(tmp_path: Path) -> None:
    """A link to somebody's secrets becomes no file of the copy; FIFOs hold nobody up."""
    secret = put(tmp_path / "secret", "secret")
    put(tmp_path / "m" / "x.gguf")
    (tmp_path / "m" / "tokenizer.json").symlink_to(secret)
    (tmp_path / "m" / "y.gguf").symlink_to(secret)
    (tmp_path / "m" / "loop.json").symlink_to("loop.json")
    (tmp_path / "m" / "inner.json").symlink_to("x.gguf")
    os.mkfifo(tmp_path / "m" / "fifo")
    copy_folder(tmp_path / "m", tmp_path / "n")

    assert tree(tmp_path / "n") == {"inner.json": b"weights", "x.gguf": b"weights"}


def test_linked_weights_are_copied_with_the_model(tmp_path: Path) -> None:
    """A link to weights on another disk; the copy does not hang on it."""
    elsewhere = put(tmp_path / "disk" / "big.gguf")
    (tmp_path / "m").mkdir()
    (tmp_path / "m" / "x.gguf").symlink_to(elsewhere)
    copy_folder(tmp_path / "m", tmp_path / "n")

    assert not (tmp_path / "n" / "x.gguf").is_symlink()
    assert (tmp_path / "n" / "x.gguf").read_bytes() == b"weights"
