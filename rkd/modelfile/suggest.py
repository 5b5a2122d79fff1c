"""Guess what a mistyped word was meant to be."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches

from rkd.modelfile.parameters import PARAMETERS

_OTHER_NAMES = {
    "context": "num_ctx",
    "context_length": "num_ctx",
    "context_size": "num_ctx",
    "ctx": "num_ctx",
    "ctx_size": "num_ctx",
    "n_ctx": "num_ctx",
    "max_context": "num_ctx",
    "max_new_tokens": "num_predict",
    "max_tokens": "num_predict",
    "n_predict": "num_predict",
    "n_batch": "num_batch",
    "n_parallel": "num_parallel",
    "parallel": "num_parallel",
    "slots": "num_parallel",
    "n_threads": "num_thread",
    "threads": "num_thread",
    "temp": "temperature",
    "stop_sequence": "stop",
    "repetition_penalty": "repeat_penalty",
    "think": "enable_thinking",
    "cache_type": "kv_cache_type",
}
"""What other programs call a parameter."""


def did_you_mean(word: str, known: Iterable[str] = tuple(PARAMETERS)) -> str:
    """Return ` (did you mean x?)` for the nearest of *known*, or an empty string."""
    choices = tuple(known)
    plain = word.strip().lower().replace("-", "_")
    other = _OTHER_NAMES.get(plain)
    if other in choices:
        return f" (did you mean {other}?)"
    by_case = {choice.lower(): choice for choice in choices}
    near = get_close_matches(plain[:40], by_case, n=1, cutoff=0.6)
    return f" (did you mean {by_case[near[0]]}?)" if near else ""
