"""
Quantize with the native `llama-quantize`, where a native engine is installed beside rkd.

Same mixes as `quantize.py`, in the engine's own words; used when a path is given.
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable
from pathlib import Path

from rkd.backend.quantize.quantize import Made, Progress
from rkd.errors import InvalidInputError, Reason
from rkd.weights import details, gguf

_STEP = re.compile(r"\[\s*([0-9]+)/\s*([0-9]+)\]")
_LAST_LINES = 4


def quantize(
    tool: Path,
    source: Path,
    target: Path,
    wanted: str,
    *,
    threads: int,
    progress: Progress,
    before_exec: Callable[[], None] | None = None,
) -> Made:
    """
    Run *tool* from *source* to *target*; returns when it is done and its child is gone.

    *before_exec* runs in the child before the tool does (it ties it to this process).

    Raises:
        InvalidInputError: WEIGHTS_INVALID with the tool's last words.
        OSError: the tool cannot be run.
    """
    command = [str(tool), str(source), str(target), wanted, str(threads)]
    last: list[str] = []
    with subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        preexec_fn=before_exec,  # noqa: PLW1509 - one prctl call, in a child with no other threads
    ) as child:
        for line in child.stdout or ():
            step = _STEP.search(line)
            if step and int(step[2]):
                progress("quantizing", int(step[1]) / int(step[2]))
            last = [*last, line.strip()][-_LAST_LINES:]
    if child.returncode:
        raise InvalidInputError(
            Reason.WEIGHTS_INVALID,
            f"{tool.name} failed on {source.name} (exit {child.returncode}): {' / '.join(last)}",
            remedy="Unset the native engine to use the built-in quantizer, or take another file.",
            metadata={"file": source.name, "exit": str(child.returncode)},
        )
    header = gguf.read_header(target)
    return Made(header.size_bytes, len(header.tensors), details.quantization(header))
