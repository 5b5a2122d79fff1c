"""Runtime libraries on disk."""

from __future__ import annotations

from pathlib import Path

import pytest

from rkd.board.facts import RuntimeLibrary
from rkd.board.runtime import find_libraries, library_version


def library(folder: Path, version: str, name: str = "librkllmrt.so") -> Path:
    """Make a file that carries *version* as the real one does."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    path.write_bytes(
        b"\x7fELF" + b"\0" * 5000 + b"rknn llm lib version: 2.3.3b0 (c54da5763@2025-04-18)\0"
        b"RKLLM SDK (version: " + version.encode() + b" | target: Linux | build: 27637c95)\0"
    )
    return path


@pytest.mark.parametrize("version", ["1.1.4", "1.2.1b1", "1.3.1"])
def test_the_version_is_read_from_the_file(tmp_path: Path, version: str) -> None:
    """The SDK's mark counts, not that of the core library beside it."""
    assert library_version(library(tmp_path, version)) == version


def test_a_file_without_the_mark_has_no_version(tmp_path: Path) -> None:
    """Another library, an empty file and no file are all unknown, and no error."""
    (tmp_path / "other.so").write_bytes(b"\x7fELF")
    (tmp_path / "empty.so").touch()

    assert library_version(tmp_path / "other.so") == ""
    assert library_version(tmp_path / "empty.so") == ""
    assert library_version(tmp_path / "absent.so") == ""


def test_the_usual_folders_are_searched(tmp_path: Path) -> None:
    """Every folder's library is offered in order, a link to the same file once."""
    first = library(tmp_path / "lib", "1.2.3")
    (tmp_path / "lib64").mkdir()
    (tmp_path / "lib64/librkllmrt.so").symlink_to(first)
    third = library(tmp_path / "opt", "1.3.0")
    folders = (tmp_path / "lib", tmp_path / "lib64", tmp_path / "none", tmp_path / "opt")

    assert find_libraries((), folders) == (
        RuntimeLibrary(first, "1.2.3"),
        RuntimeLibrary(third, "1.3.0"),
    )


def test_configured_libraries_replace_the_search(tmp_path: Path) -> None:
    """What the configuration names is offered as it stands, the missing one without version."""
    path = library(tmp_path, "1.3.0", name="librkllmrt-1.3.0.so")
    absent = tmp_path / "absent.so"

    assert find_libraries((path, absent), (tmp_path,)) == (
        RuntimeLibrary(path, "1.3.0"),
        RuntimeLibrary(absent, ""),
    )
