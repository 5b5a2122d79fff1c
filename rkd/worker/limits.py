"""
What the kernel lets this process take, whatever a model, a template or an engine wants of it.

Not bounded here: the number of processes (RLIMIT_NPROC counts everything its user runs, so it
would end a worker for what others do; the unit's TasksMax holds them together) and the address
space (RLIMIT_AS counts mapped weights and the NPU's buffers, of which a model may have any number).
"""

from __future__ import annotations

import contextlib
import resource

MODEL_FILE_BYTES = 1 << 30
"""Largest file a worker that holds a model may write: it writes none but a prompt cache."""

JOB_SHARE = 0.75
"""Of the machine's RAM: what converts and quantizes holds a tensor as F32, of whatever size."""


def bound_model(memory_bytes: int) -> None:
    """
    Bound a worker that holds one model.

    Args:
        memory_bytes: private writable memory (RLIMIT_DATA): heap, stacks, caches; neither weights
            mapped from their file nor dma-buf mappings count. Beyond it allocations fail: a
            template's is an error of its request, an engine's ends the worker.
    """
    _bound(resource.RLIMIT_DATA, memory_bytes)
    _bound(resource.RLIMIT_FSIZE, MODEL_FILE_BYTES)
    _bound(resource.RLIMIT_CORE, 0)


def bound_job(ram_bytes: int) -> None:
    """Bound a worker that does one short-lived task on a machine with *ram_bytes*."""
    _bound(resource.RLIMIT_DATA, int(ram_bytes * JOB_SHARE))
    _bound(resource.RLIMIT_CORE, 0)


def _bound(kind: int, most: int) -> None:
    _, hard = resource.getrlimit(kind)
    if hard != resource.RLIM_INFINITY:
        most = min(most, hard)
    with contextlib.suppress(OSError, ValueError):  # a container may refuse it
        resource.setrlimit(kind, (most, most))
