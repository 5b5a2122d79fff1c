"""The version of a runtime library is read from its file, and never guessed."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from rkd.errors import PreconditionError, Reason
from rkd.librkllmrt import FAMILIES, Family, identify

MACHINES = {"x86_64": 62, "aarch64": 183}


def elf(*, machine: int | None = None, marker: bytes = b"") -> bytes:
    """The beginning of a shared library, and *marker* somewhere in it."""
    number = MACHINES[os.uname().machine] if machine is None else machine
    head = b"\x7fELF\x02\x01\x01" + bytes(9) + b"\x03\x00" + number.to_bytes(2, "little")
    return head + b"\0text\0" + marker + b"\0more\0"


def marker(version: str) -> bytes:
    """The words a released library carries."""
    return f"RKLLM SDK (version: {version} | target: Linux | build: 27637c95)".encode()


def library(folder: Path, content: bytes) -> Path:
    """A file with *content*."""
    path = folder / "librkllmrt.so"
    path.write_bytes(content)
    return path


@pytest.mark.parametrize(("version", "family"), FAMILIES.items())
def test_known_versions(tmp_path: Path, version: str, family: Family) -> None:
    """Every supported release is recognised by its marker."""
    found = identify(library(tmp_path, elf(marker=marker(version))))

    assert (found.version, found.family, found.overridden) == (version, family, False)


@pytest.mark.parametrize("version", ["1.0.1", "1.2.1b2", "1.3.10", "1.4.0", "2.0"])
def test_unknown_versions_are_refused(tmp_path: Path, version: str) -> None:
    """A release nobody measured is refused with its number, not treated as its neighbour."""
    with pytest.raises(PreconditionError, match=version) as caught:
        identify(library(tmp_path, elf(marker=marker(version))))

    assert caught.value.reason is Reason.RUNTIME_MISMATCH
    assert caught.value.metadata["version"] == version
    assert "1.3.1" in caught.value.remedy


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (elf(), "does not say"),
        (elf(marker=marker("1.2.0") + marker("1.3.0")), "several versions"),
        (elf(machine=40), "built for arm"),
        (elf(machine=999), "built for machine 999"),
        (b"version https://git-lfs.github.com/spec/v1", "no shared library"),
        (b"\x7fELF", "no shared library"),
    ],
)
def test_what_is_no_runtime_is_refused(tmp_path: Path, content: bytes, words: str) -> None:
    """A file that is no RKLLM library for this machine is refused, saying why."""
    with pytest.raises(PreconditionError, match=words) as caught:
        identify(library(tmp_path, content))

    assert caught.value.reason is Reason.RUNTIME_MISMATCH


@pytest.mark.parametrize(
    ("told", "version"),
    [("v1.3.0", "1.3.0"), ("1.3.0 ", "1.3.0"), ("1.3.0)", "1.3.0")],
)
def test_versions_written_otherwise(tmp_path: Path, told: str, version: str) -> None:
    """A v before it, no blank behind it."""
    assert identify(library(tmp_path, elf(marker=marker(told)))).version == version


@pytest.mark.parametrize("told", ["1.3.0-rc1", "1.3.0+git", "1.3.0_beta", "1.3.0~1", "1.2.3x"])
def test_what_only_begins_like_a_known_version(tmp_path: Path, told: str) -> None:
    """Is not that one; the override says what it is to be taken for."""
    path = library(tmp_path, elf(marker=marker(told)))
    with pytest.raises(PreconditionError) as caught:
        identify(path)

    assert caught.value.metadata["version"] == told
    assert identify(path, version_override="1.3.1").family is Family.V1_3_1


def test_what_is_no_file_waits_for_nobody(tmp_path: Path) -> None:
    """A pipe without a writer, a folder, a device: an error at once."""
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", tmp_path, Path("/dev/zero")):
        with pytest.raises(PreconditionError) as caught:
            identify(path)
        assert caught.value.reason is Reason.NPU_UNAVAILABLE


def test_missing_file(tmp_path: Path) -> None:
    """No library is no NPU, and the remedy names the variable."""
    with pytest.raises(PreconditionError, match="No such file") as caught:
        identify(tmp_path / "librkllmrt.so")

    assert caught.value.reason is Reason.NPU_UNAVAILABLE
    assert "RKD_RKLLM_LIBRARY" in caught.value.remedy


def test_override(tmp_path: Path) -> None:
    """The user may say which known release an unknown one is compatible with."""
    found = identify(library(tmp_path, elf(marker=marker("1.3.2"))), version_override="1.3.1")

    assert (found.version, found.family, found.overridden) == ("1.3.2", Family.V1_3_1, True)


def test_override_is_for_the_unknown_only(tmp_path: Path) -> None:
    """A library of a known release keeps its own interface: another would crash."""
    found = identify(library(tmp_path, elf(marker=marker("1.2.3"))), version_override="1.3.1")

    assert (found.family, found.overridden) == (Family.V1_2_1, False)


def test_override_must_be_known(tmp_path: Path) -> None:
    """An override naming no measured release is refused as well."""
    with pytest.raises(PreconditionError, match=r"9\.9"):
        identify(library(tmp_path, elf(marker=marker("1.3.2"))), version_override="9.9")


def test_override_does_not_make_a_library(tmp_path: Path) -> None:
    """What is no library for this machine is refused, override or not."""
    with pytest.raises(PreconditionError, match="built for arm"):
        identify(library(tmp_path, elf(machine=40)), version_override="1.3.0")
