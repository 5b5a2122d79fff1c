"""What is said when a model is loaded: to the log, and to whoever asked for it."""

from __future__ import annotations

import sys
from pathlib import Path

from rkd.backend.rkllm.resident import LoadedModel
from rkd.inference import FirstAnswer, LoadSpec


def announce(spec: LoadSpec) -> None:
    """Write the two lines people know from the log of rkllama."""
    sys.stderr.write(f"FROM: {Path(spec.weights).name}\n")
    sys.stderr.write(f"HuggingFace Path: {spec.huggingface_path}\n")
    sys.stderr.flush()


def load_warnings(spec: LoadSpec, resident: LoadedModel) -> tuple[str, ...]:
    """Warn of a context that was cut, and of what the library warned of."""
    if spec.context_tokens > resident.context_tokens:
        shortened = (
            f"the model allows a context of {resident.context_tokens} tokens, "
            f"not {spec.context_tokens}"
        )
        return (*resident.warnings, shortened)
    return resident.warnings


def no_text(heard: FirstAnswer, detail: str) -> tuple[str, ...]:
    """Warn of first tokens that are no text."""
    if heard is not FirstAnswer.GARBAGE:
        return ()
    return (f"the first tokens it was heard to say are no text: {detail}",)
