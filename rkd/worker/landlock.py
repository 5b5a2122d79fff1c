"""
What this process may still write and reach, by the kernel's Landlock; nothing where there is none.

Three system calls without a wrapper in any C library. The bindings on PyPI are an alpha release of
2025 and a first one of 2026, so the little that is needed stands here. **Source** of all numbers:
linux/landlock.h (Linux 6.12); system call numbers are the same on every architecture.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
from collections.abc import Iterable
from pathlib import Path

_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
_VERSION = 1  # LANDLOCK_CREATE_RULESET_VERSION
_PATH_BENEATH = 1  # LANDLOCK_RULE_PATH_BENEATH
_PR_SET_NO_NEW_PRIVS = 38

_WRITE_FILE, _TRUNCATE = 1 << 1, 1 << 14
_REMOVE_FILE, _MAKE_REG = 1 << 5, 1 << 8
_CHANGES = _WRITE_FILE | sum(1 << bit for bit in range(4, 13))
"""LANDLOCK_ACCESS_FS_* of ABI 1 that change something: write, remove and make, of whatever kind."""
_SINCE = ((2, 1 << 13), (3, _TRUNCATE))
"""REFER and TRUNCATE, with the ABI that knows them."""

_NET_ABI, _BIND_AND_CONNECT = 4, 0b11
_SCOPE_ABI, _ABSTRACT_AND_SIGNAL = 6, 0b11


class _Ruleset(ctypes.Structure):
    _fields_ = (
        ("handled_access_fs", ctypes.c_uint64),
        ("handled_access_net", ctypes.c_uint64),
        ("scoped", ctypes.c_uint64),
    )


class _PathBeneath(ctypes.Structure):
    _pack_ = 1
    _layout_ = "ms"
    _fields_ = (("allowed_access", ctypes.c_uint64), ("parent_fd", ctypes.c_int32))


def abi() -> int:
    """Which version of Landlock the running kernel has; 0 for none."""
    return max(_call(_CREATE_RULESET, None, ctypes.c_size_t(0), ctypes.c_uint32(_VERSION)), 0)


def confine(own: Path, files: Iterable[Path] = ()) -> int:
    """
    Give up, for this thread and all it starts, to change anything outside *own*.

    Reading stays as it was: engines read from wherever a vendor put things. Devices, shared memory
    and what /proc lets a process write of itself stay writable. From ABI 4 on no TCP connection
    can be made or taken, from 6 on no abstract socket reached and no signal sent out of here.
    Call it before other threads start.

    Args:
        own: a folder of this process's own.
        files: further files that may be written; they exist.

    Returns:
        The kernel's ABI; 0 when there is nothing to confine with, and nothing is changed.
    """
    version = abi()
    if not version:
        return 0
    handled = _CHANGES | sum(right for since, right in _SINCE if version >= since)
    asked = _Ruleset(
        handled,
        _BIND_AND_CONNECT if version >= _NET_ABI else 0,
        _ABSTRACT_AND_SIGNAL if version >= _SCOPE_ABI else 0,
    )
    ruleset = _call(
        _CREATE_RULESET, ctypes.byref(asked), ctypes.c_size_t(ctypes.sizeof(asked)), _flags()
    )
    if ruleset < 0:
        return 0
    write = (_WRITE_FILE | _TRUNCATE) & handled
    try:
        _allow(ruleset, own, handled)
        _allow(ruleset, Path("/dev"), write)
        _allow(ruleset, Path("/dev/shm"), write | _MAKE_REG | _REMOVE_FILE)  # noqa: S108 - shared memory
        _allow(ruleset, Path("/proc"), write)
        for file in files:
            _allow(ruleset, file, write)
        _libc().prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
        done = _call(_RESTRICT_SELF, ctypes.c_int(ruleset), _flags())
    finally:
        os.close(ruleset)
    return version if done == 0 else 0


def _allow(ruleset: int, path: Path, rights: int) -> None:
    with contextlib.suppress(OSError):  # what is not there needs no right
        descriptor = os.open(path, os.O_PATH | os.O_CLOEXEC)
        try:
            rule = _PathBeneath(rights, descriptor)
            _call(
                _ADD_RULE,
                ctypes.c_int(ruleset),
                ctypes.c_int(_PATH_BENEATH),
                ctypes.byref(rule),
                _flags(),
            )
        finally:
            os.close(descriptor)


def _flags() -> ctypes.c_uint32:
    return ctypes.c_uint32(0)


def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


def _call(number: int, *arguments: object) -> int:
    """Make a system call; its result, -1 for any error."""
    return int(_libc().syscall(ctypes.c_long(number), *arguments))
