"""Which engine answers a load, which module does a job; imported only when asked for."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module

from rkd.backend.backend import Backend
from rkd.inference import LoadProgress, LoadSpec
from rkd.model import BackendKind
from rkd.worker.leash import die_with_parent


def make_backend(spec: LoadSpec) -> Backend:
    """Make the engine *spec* asks for; a worker imports no other."""
    made: Backend
    if spec.vocabulary_only:
        made = import_module("rkd.backend.vocabulary").VocabularyBackend()
    elif spec.backend is BackendKind.NPU:
        made = import_module("rkd.backend.rkllm.backend").RkllmBackend()
    else:
        made = import_module("rkd.backend.llamacpp.backend").LlamaCppBackend(
            before_exec=die_with_parent
        )
    return made


def run_job(
    kind: str, arguments: dict[str, str], progress: Callable[[LoadProgress], None]
) -> dict[str, str]:
    """Do the short-lived task *kind*; see `jobs.py`."""
    results: dict[str, str] = import_module("rkd.worker.jobs").run(kind, arguments, progress)
    return results
