"""
What a `librkllmrt.so` says of itself, read from the file without loading it.

The library has no version function and its layouts change between releases: loading one with
the wrong declarations ends in a segmentation fault, not in an error. So the version is read from
the marker in its read-only data, and what is not known is refused, never guessed.
"""

from __future__ import annotations

import enum
import os
import re
import struct
from dataclasses import dataclass
from pathlib import Path

from rkd.errors import PreconditionError, Reason
from rkd.outside import open_regular

MARKER = re.compile(rb"RKLLM SDK \(version: v?([0-9][0-9A-Za-z.+_~-]{0,31})")
"""
All of a version, so that 1.3.0-rc1 is not taken for 1.3.0.
**Source:** `strings` of the released 1.2.0, 1.2.1b1 and 1.3.1 libraries.
"""

MOST_BYTES = 256 << 20
"""Released libraries have 7 MB."""

_ELF_MACHINES = {3: "i386", 40: "arm", 62: "x86_64", 183: "aarch64", 243: "riscv64"}
_MACHINE = struct.Struct("<16xHH")
"""e_type and e_machine behind the 16 bytes of e_ident, little-endian as on every board here."""


class Family(enum.IntEnum):
    """Versions that share one binary interface, oldest first."""

    V1_1 = 1
    V1_2_0 = 2
    V1_2_1B1 = 3
    V1_2_1 = 4
    V1_3_0 = 5
    V1_3_1 = 6


FAMILIES: dict[str, Family] = {
    "1.1.0": Family.V1_1,
    "1.1.1": Family.V1_1,
    "1.1.2": Family.V1_1,
    "1.1.3": Family.V1_1,
    "1.1.4": Family.V1_1,
    "1.2.0": Family.V1_2_0,
    "1.2.1b1": Family.V1_2_1B1,
    "1.2.1": Family.V1_2_1,
    "1.2.2": Family.V1_2_1,
    "1.2.3": Family.V1_2_1,
    "1.3.0": Family.V1_3_0,
    "1.3.1": Family.V1_3_1,
}
"""Every release whose header was measured. **Source:** the released `rkllm.h` files."""


_NUMBERS = re.compile(r"(\d{1,4})\.(\d{1,4})(?:\.(\d{1,4}))?(?:[-.]?[a-z]{1,8}(\d{0,4}))?")
_RELEASED = 1 << 20
"""Behind every beta of the same number."""


def age_of(version: str) -> tuple[int, ...]:
    """
    Return what versions of toolkits and runtimes are compared by; empty for what is none.

    `1.2.1b1` comes before `1.2.1`, which comes before `1.2.2`.
    """
    found = _NUMBERS.fullmatch(version.strip().removeprefix("v"))
    if found is None:
        return ()
    major, minor, patch, beta = found.groups()
    return int(major), int(minor), int(patch or 0), _RELEASED if beta is None else int(beta or 0)


@dataclass(frozen=True, slots=True)
class IdentifiedLibrary:
    """
    A runtime library that may be loaded.

    Args:
        path: the file.
        version: what it says it is.
        family: the interface to speak to it.
        overridden: the family comes from the user's override, not from the version.
    """

    path: Path
    version: str
    family: Family
    overridden: bool = False


def identify(path: Path, *, version_override: str = "") -> IdentifiedLibrary:
    """
    Read which runtime *path* is, without running a byte of it.

    Args:
        path: the library file.
        version_override: the known version to treat the file as when its own is unknown or not
            told: the way out for a release newer than this program, at the user's own risk.
            A file of a known version is never overridden.

    Raises:
        PreconditionError: NPU_UNAVAILABLE, when there is no such file or it cannot be read;
            RUNTIME_MISMATCH, when it is no library for this machine, or of no known version.
    """
    found = _marker(path)
    if version_override and found not in FAMILIES:
        return IdentifiedLibrary(
            path, found or "unknown", _known(version_override, path), overridden=True
        )
    if not found:
        raise _mismatch(
            path,
            "does not say which RKLLM version it is",
            "Install a librkllmrt.so from the vendor's release page; one of "
            f"{', '.join(FAMILIES)}.",
            "",
        )
    return IdentifiedLibrary(path, found, _known(found, path))


def _known(version: str, path: Path) -> Family:
    family = FAMILIES.get(version)
    if family is None:
        raise _mismatch(
            path,
            f"is RKLLM {version}, whose interface this version of rkd does not know",
            f"Install one of {', '.join(FAMILIES)}; or, at your own risk, say in the "
            "configuration which of them it is compatible with.",
            version,
        )
    return family


def _marker(path: Path) -> str:
    """The version the file carries, or "" for none; the file itself is checked first."""
    try:
        with open_regular(path) as file:
            head = file.read(_MACHINE.size)
            _check_machine(path, head)
            # Not mapped: who maps a file that is being written over dies with it.
            content = file.read(MOST_BYTES)
            versions = {match.decode("ascii") for match in MARKER.findall(content)}
    except OSError as error:
        raise PreconditionError(
            Reason.NPU_UNAVAILABLE,
            f"the RKLLM runtime {path} cannot be read: {error.strerror or error}",
            remedy="Install librkllmrt.so, or set RKD_RKLLM_LIBRARY to where it is.",
            metadata={"library": str(path)},
        ) from error
    if len(versions) > 1:
        raise _mismatch(
            path,
            f"names several versions: {', '.join(sorted(versions))}",
            "Install a librkllmrt.so from the vendor's release page.",
            "",
        )
    return versions.pop() if versions else ""


def _check_machine(path: Path, head: bytes) -> None:
    if len(head) < _MACHINE.size or head[:4] != b"\x7fELF":
        raise _mismatch(
            path,
            "is no shared library (a download gone wrong, or a Git LFS pointer?)",
            "Download librkllmrt.so again.",
            "",
        )
    (_, number) = _MACHINE.unpack(head)
    machine = _ELF_MACHINES.get(number, f"machine {number}")
    own = os.uname().machine
    if machine != own:
        raise _mismatch(
            path,
            f"is built for {machine}, this machine is {own}",
            f"Install the librkllmrt.so for {own}.",
            "",
        )


def _mismatch(path: Path, what: str, remedy: str, version: str) -> PreconditionError:
    return PreconditionError(
        Reason.RUNTIME_MISMATCH,
        f"the RKLLM runtime {path} {what}",
        remedy=remedy,
        metadata={"library": str(path), "version": version},
    )
