"""
`python -m rkd.worker.probe [LLAMA_SERVER]`: load the CPU engine as a worker would, and end.

The doctor's child: an engine that is broken breaks here. Exit 0, or 1 with what happened and what
to do about it as one JSON object on standard output.
"""

from __future__ import annotations

import json
import subprocess
import sys

from rkd.backend import openmp
from rkd.backend.llamacpp.wheel import import_wheel
from rkd.errors import PreconditionError

BOUND_S = 15.0


def main(arguments: list[str]) -> int:
    """Load the wheel, or run the native server named; returns the exit code."""
    try:
        if arguments:
            _run(arguments[0])
        else:
            import_wheel()
    except PreconditionError as error:
        sys.stdout.write(json.dumps({"message": error.message, "remedy": error.remedy}))
        return 1
    return 0


def _run(program: str) -> None:
    try:
        done = subprocess.run(
            [program, "--version"],
            capture_output=True,
            timeout=BOUND_S,
            check=False,
            text=True,
            errors="replace",
        )
    except OSError as error:
        raise openmp.refusal(program, error) from error
    if done.returncode:
        words = done.stderr.strip()[-200:] or f"it ended with {done.returncode}"
        raise openmp.refusal(program, OSError(words))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
