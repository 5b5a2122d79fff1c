"""Whether the CPU engine can be loaded at all, asked of a child that loads it."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import rkd
from rkd.telemetry.finding import Trouble

BOUND_S = 30.0
"""Loading takes 0.2 s on a PC (measured); a board that swaps may take longer."""


def probe(
    environment: Mapping[str, str],
    llama_server: Path | None = None,
    *,
    command: Sequence[str] = (sys.executable, "-m", "rkd.worker.probe"),
) -> Trouble | None:
    """
    Load the engine in a child; None when all is well. Blocks for as long as that takes.

    Args:
        environment: for the child, a worker's own.
        llama_server: the native server that is used instead of the wheel.
        command: what is run.
    """
    native = [str(llama_server)] if llama_server else []
    # the folder rkd is in, wherever the daemon was started
    known = environment.get("PYTHONPATH")
    paths = ":".join([str(Path(rkd.__file__).parents[1]), *([known] if known else [])])
    try:
        done = subprocess.run(
            [*command, *native],
            env={**environment, "PYTHONPATH": paths},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=BOUND_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return Trouble(f"the CPU engine did not load within {BOUND_S:.0f} s", _AGAIN)
    except OSError as error:
        return Trouble(f"the CPU engine could not be tried: {error}", _AGAIN)
    if done.returncode == 0:
        return None
    return _told(done.stdout) or Trouble(_ended(done.returncode), _AGAIN)


DEVICES_BOUND_S = 10.0


def listed_devices(llama_server: Path, environment: Mapping[str, str]) -> str:
    """Return what a native server lists of its devices; "" when it does not. Blocks for that."""
    try:
        done = subprocess.run(
            [str(llama_server), "--list-devices"],
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=DEVICES_BOUND_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""  # what is wrong with it the doctor says
    return (done.stdout + b"\n" + done.stderr).decode("utf-8", "replace")


_AGAIN = "Install it again (`sudo ./install.sh`), or build one for this processor: --native-engine."


def _told(said: bytes) -> Trouble | None:
    try:
        words = json.loads(said)
        return Trouble(str(words["message"]), str(words["remedy"]))
    except (ValueError, TypeError, KeyError):
        return None


def _ended(code: int) -> str:
    if code < 0:
        return f"loading the CPU engine ends with {signal.Signals(-code).name}"
    return f"loading the CPU engine fails (exit code {code})"
