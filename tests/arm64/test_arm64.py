"""The tier that runs the RKLLM binding as an arm64 program: `./tests/run arm64`."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

RUN = Path(__file__).with_name("run")
BOUND_S = 900
SKIPPED = 77


@pytest.mark.arm64
@pytest.mark.timeout(BOUND_S)
def test_the_binding_under_qemu() -> None:
    """Declarations, runtime and contract hold on aarch64, against the stand-in cross-compiled."""
    if not os.environ.get("RKD_TEST_ARM64"):
        pytest.skip("fetches an arm64 Python: ./tests/run arm64")
    environment = {**os.environ, "PYTHON": sys.executable}

    done = subprocess.run(
        [str(RUN)], env=environment, capture_output=True, text=True, timeout=BOUND_S, check=False
    )

    if done.returncode == SKIPPED:
        pytest.skip(done.stdout.strip())
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]
