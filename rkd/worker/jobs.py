"""
The short-lived tasks of a worker: whatever runs native code, or much of it, on a user's file.

Arguments and results are plain strings. Paths are chosen by the daemon, never by a client. A job
writes only where it is told (`target`) and flushes that to disk; what an error leaves there is the
daemon's staging to sweep.

- `inspect`: `path` of a .gguf or .rkllm -> the fields of `Details`, `size_bytes`; for a .rkllm also
  `toolkit`, `platform`, `problem`, `remedy`, `warnings` (lines).
- `quantize`: `source`, `target`, `type`; optional `threads`, `llama_quantize` (a native tool) ->
  `size_bytes`, `tensors`, `quantization`.
- `convert`: `source` (a checkpoint's folder), `target`; optional `type` (F16, BF16 or F32; F16 when
  left out), `name` -> `size_bytes`, `tensors`, `quantization`, `architecture`, `warnings` (lines).
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import asdict
from importlib import import_module
from pathlib import Path

from rkd.durable import disk_is_full
from rkd.errors import ExhaustedError, InvalidInputError, Reason
from rkd.inference import LoadProgress
from rkd.weights import details, rkllm

Arguments = dict[str, str]
Tell = Callable[[LoadProgress], None]


def run(kind: str, arguments: Arguments, progress: Tell) -> dict[str, str]:
    """
    Do the task *kind* and return its results; called in a child process of its own.

    Raises:
        RkdError: what a user can cause: WEIGHTS_INVALID, ARCHITECTURE_UNSUPPORTED, DISK_FULL …
        KeyError: an argument is missing; a defect of the daemon's.
    """
    task = _TASKS.get(kind)
    if task is None:
        raise InvalidInputError(
            Reason.INVALID_FIELD,
            f"there is no job {kind!r}",
            remedy="Jobs are " + ", ".join(_TASKS) + ".",
            metadata={"kind": kind},
        )
    try:
        return task(arguments, progress)
    except OSError as trouble:
        if disk_is_full(trouble):
            raise ExhaustedError(
                Reason.DISK_FULL,
                f"the disk filled up while writing {Path(arguments['target']).name}",
                remedy="Make room (`rkctl rm` a model), then try again.",
                metadata={"file": arguments["target"]},
            ) from trouble
        raise InvalidInputError(
            Reason.WEIGHTS_INVALID,
            f"{trouble.filename or arguments.get('source', '')}: {trouble.strerror or trouble}",
            remedy="Check that the file is there and readable for the user rkd runs as.",
            metadata={"file": str(trouble.filename or "")},
        ) from trouble


def _inspect(arguments: Arguments, _: Tell) -> dict[str, str]:
    path = Path(arguments["path"])
    size = {"size_bytes": str(path.stat().st_size)}
    if path.suffix.lower() == ".rkllm":
        facts = rkllm.look(path)
        size |= {
            "toolkit": facts.toolkit,
            "platform": facts.platform,
            "problem": facts.problem,
            "remedy": facts.remedy,
            "warnings": "\n".join(facts.warnings),
        }
        told = facts.details
    else:
        told = details.inspect(path)
    return {key: str(value) for key, value in asdict(told).items()} | size


def _quantize(arguments: Arguments, progress: Tell) -> dict[str, str]:
    source, target = Path(arguments["source"]), Path(arguments["target"])
    threads = int(arguments.get("threads", "0")) or len(os.sched_getaffinity(0))
    tool = arguments.get("llama_quantize", "")

    def tell(stage: str, fraction: float) -> None:
        progress(LoadProgress(stage, fraction))

    # Imported here: numpy and ggml cost 60 ms and 30 MB that an `inspect` does not need.
    if tool:
        made = import_module("rkd.backend.quantize.native").quantize(
            Path(tool),
            source,
            target,
            arguments["type"],
            threads=threads,
            progress=tell,
            before_exec=import_module("rkd.worker.leash").die_with_parent,
        )
    else:
        ggml = import_module("rkd.backend.quantize.ggml")
        made = import_module("rkd.backend.quantize.quantize").quantize(
            source,
            target,
            arguments["type"],
            ggml.Ggml(ggml.engine_library()),
            threads=threads,
            progress=tell,
        )
    return {key: str(value) for key, value in asdict(made).items()}


def _convert(arguments: Arguments, progress: Tell) -> dict[str, str]:
    made = import_module("rkd.backend.convert.checkpoint").convert(
        Path(arguments["source"]),
        Path(arguments["target"]),
        arguments.get("type", "") or "F16",
        name=arguments.get("name", ""),
        progress=lambda stage, fraction: progress(LoadProgress(stage, fraction)),
    )
    results = {key: str(value) for key, value in asdict(made).items()}
    return results | {"warnings": "\n".join(made.warnings)}


_TASKS: dict[str, Callable[[Arguments, Tell], dict[str, str]]] = {
    "inspect": _inspect,
    "quantize": _quantize,
    "convert": _convert,
}
