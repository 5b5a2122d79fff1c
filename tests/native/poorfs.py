"""Builds what makes a folder look like a stick, a share or a read-only mount to one process."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from tests.native.standin import BUILD_BOUND_S, compiler

SOURCE = Path(__file__).with_name("poorfs.c")


def build(folder: Path) -> Path:
    """Compile the library into *folder*; skips the test where there is no compiler."""
    cc = compiler()
    if cc is None:
        pytest.skip("no C compiler: apt install gcc libc6-dev")
    made = folder / "poorfs.so"
    command = [cc, "-shared", "-fPIC", "-O1", "-Wall", "-o", str(made), str(SOURCE), "-ldl"]
    subprocess.run(command, check=True, timeout=BUILD_BOUND_S, capture_output=True)
    return made


def environment(library: Path, root: Path, **more: str) -> dict[str, str]:
    """What a process needs to see *root* so; *more* are the POORFS_* switches."""
    before = os.environ.get("LD_PRELOAD", "")
    return {"LD_PRELOAD": f"{library}:{before}".rstrip(":"), "POORFS_ROOT": str(root), **more}
