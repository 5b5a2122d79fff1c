"""Runtime libraries on disk."""

from __future__ import annotations

import os
from pathlib import Path

from rkd.board.facts import RuntimeLibrary
from rkd.board.runtime import find_libraries, find_rknn
from rkd.errors import Reason

MACHINE = {"x86_64": 62, "aarch64": 183}[os.uname().machine]


def library(folder: Path, version: str, name: str = "librkllmrt.so") -> Path:
    """Make a file that carries *version* as the real one does."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    head = b"\x7fELF\x02\x01\x01" + bytes(9) + b"\x03\x00" + MACHINE.to_bytes(2, "little")
    mark = b"RKLLM SDK (version: " + version.encode() + b" | target: Linux | build: 27637c95)"
    path.write_bytes(head + bytes(5000) + mark)
    return path


def test_the_usual_folders_are_searched(tmp_path: Path) -> None:
    """Every folder's library is offered in order, a link to the same file once."""
    first = library(tmp_path / "lib", "1.2.3")
    (tmp_path / "lib64").mkdir()
    (tmp_path / "lib64/librkllmrt.so").symlink_to(first)
    (tmp_path / "loop").mkdir()
    (tmp_path / "loop/librkllmrt.so").symlink_to("librkllmrt.so")
    third = library(tmp_path / "opt", "1.3.0")
    folders = tuple(tmp_path / name for name in ("lib", "lib64", "loop", "none", "opt"))

    assert find_libraries((), folders=folders) == (
        RuntimeLibrary(first, "1.2.3"),
        RuntimeLibrary(third, "1.3.0"),
    )


def test_several_releases_side_by_side(tmp_path: Path) -> None:
    """By version in the name, or in a folder of each release where a folder is for them alone."""
    plain = library(tmp_path / "lib", "1.3.1")
    named = library(tmp_path / "lib", "1.2.3", name="librkllmrt-1.2.3.so")
    dotted = library(tmp_path / "lib", "1.2.0", name="librkllmrt.so.1.2.0")
    library(tmp_path / "lib/other", "1.1.4")
    (tmp_path / "lib/librkllmrt.so.d").mkdir()
    own = library(tmp_path / "rkllm/1.1.4", "1.1.4")

    found = find_libraries((), folders=(tmp_path / "lib", tmp_path / "rkllm"))

    assert [one.path for one in found] == [plain, named, dotted, own]
    assert [one.version for one in found] == ["1.3.1", "1.2.3", "1.2.0", "1.1.4"]


def test_a_configured_library_counts_once(tmp_path: Path) -> None:
    """Named twice, or by a link: by the name that comes first; what is absent is told."""
    path = library(tmp_path, "1.3.0", name="librkllmrt-1.3.0.so")
    link = tmp_path / "librkllmrt.so"
    link.symlink_to(path)
    gone = tmp_path / "gone.so"

    found = find_libraries((link, path, gone, link, path))

    assert [one.path for one in found] == [link, gone]


def test_configured_libraries_replace_the_search(tmp_path: Path) -> None:
    """What the configuration names is offered as it stands, the missing one with its problem."""
    path = library(tmp_path, "1.3.0", name="librkllmrt-1.3.0.so")
    good, bad = find_libraries((path, tmp_path / "absent.so"), folders=(tmp_path,))

    assert good == RuntimeLibrary(path, "1.3.0")
    assert bad.problem is not None
    assert bad.problem.reason is Reason.NPU_UNAVAILABLE


def test_an_unknown_version_is_told_with_its_problem(tmp_path: Path) -> None:
    """It is listed with the version it says, and why that will not do; an override lets it pass."""
    path = library(tmp_path, "9.9.9")
    (unknown,) = find_libraries((path,))
    (overridden,) = find_libraries((path,), version_override="1.3.1")

    assert unknown.problem is not None
    assert (unknown.version, unknown.problem.reason) == ("9.9.9", Reason.RUNTIME_MISMATCH)
    assert overridden == RuntimeLibrary(path, "9.9.9")


def test_the_library_of_encoders_is_the_configured_one_or_the_first_there_is(
    tmp_path: Path,
) -> None:
    """A name given is taken as it is: what is wrong with it the load says."""
    first, second = tmp_path / "a", tmp_path / "b"
    for folder in (first, second):
        folder.mkdir()
    assert find_rknn(None, folders=(first, second)) is None

    (second / "librknnrt.so").touch()
    assert find_rknn(None, folders=(first, second)) == second / "librknnrt.so"
    given = tmp_path / "mine.so"
    assert find_rknn(given, folders=(first, second)) == given
