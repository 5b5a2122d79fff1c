"""
The closed table of PARAMETER keys: type, range, what each means to rkd; and the check of a value.

Keys and types are Ollama's (its `api.Options`, August 2026); rkd's own are marked. What is of
sampling comes from `sampling.py`.
"""

from __future__ import annotations

import enum
import math
import re
from dataclasses import dataclass

from rkd import kvcache
from rkd.model import BackendChoice
from rkd.modelfile.excerpt import excerpt
from rkd.modelfile.sampling import (
    LOOP_GUARD_AT_MOST,
    MAX_STOP_BYTES,
    SAMPLING,
    TOKENS_AT_MOST,
    Domain,
    Value,
    ValueKind,
)
from rkd.setting import duration

MAX_VALUE_BYTES = MAX_STOP_BYTES
"""No number or stop sequence is longer."""

_INT = re.compile(r"[+-]?[0-9]{1,20}")
_FLOAT = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]{1,4})?")
_TRUE = frozenset({"1", "t", "T", "TRUE", "true", "True"})
_FALSE = frozenset({"0", "f", "F", "FALSE", "false", "False"})


class Effect(enum.StrEnum):
    """When a parameter takes effect."""

    REQUEST = "request"
    LOAD = "load"
    """Differs from the resident model's: the model is loaded anew."""
    NONE = "none"
    """Accepted for Ollama's sake; means nothing on a board with one NPU."""
    DEPRECATED = "deprecated"
    """Ollama warns and ignores; so does rkd."""


@dataclass(frozen=True, slots=True)
class Parameter:
    """One row of the table."""

    domain: Domain
    effect: Effect = Effect.LOAD
    adds_up: bool = False
    """Said again, it adds a value and does not replace one."""
    instead: str = ""
    """What happens here instead of what people may expect of it, for behind a warning."""


def _int(low: int, high: int, effect: Effect = Effect.LOAD) -> Parameter:
    return Parameter(Domain(ValueKind.INT, low, high), effect)


_BOOL = Domain(ValueKind.BOOL)
_TEXT = Domain(ValueKind.STRING)
_GONE = Parameter(_BOOL, Effect.DEPRECATED)

PARAMETERS: dict[str, Parameter] = {
    "num_ctx": _int(0, TOKENS_AT_MOST),
    "num_batch": _int(1, 65_536),
    "num_gpu": _int(-1, 1_000, Effect.NONE),
    "main_gpu": _int(0, 1_000, Effect.NONE),
    "use_mmap": Parameter(_BOOL, Effect.NONE),
    "num_thread": _int(0, 256),
    # Ollama guesses them with a draft model, rkd by looking them up in the text so far.
    "draft_num_predict": _int(0, 64),
    "num_keep": Parameter(
        Domain(ValueKind.INT, -1, TOKENS_AT_MOST),
        Effect.NONE,
        instead=": an answer ends where the context is full, and nothing is shifted out of it",
    ),
    **{row.key: Parameter(row.domain, Effect.REQUEST) for row in SAMPLING if row.key},
    "stop": Parameter(_TEXT, Effect.REQUEST, adds_up=True),
    # rkd's own
    "stop_token_ids": Parameter(Domain(ValueKind.INT, 0, 2**31 - 1), Effect.REQUEST, adds_up=True),
    "dry_sequence_breakers": Parameter(_TEXT, Effect.REQUEST, adds_up=True),
    "ignore_eos": Parameter(_BOOL, Effect.REQUEST),
    "num_parallel": _int(1, 64),
    "kv_cache_type": Parameter(Domain(ValueKind.CHOICE, choices=kvcache.CHOICES)),
    "rkllm_version": Parameter(_TEXT),
    "enable_thinking": Parameter(_BOOL, Effect.REQUEST),
    "loop_guard": _int(0, LOOP_GUARD_AT_MOST, Effect.REQUEST),
    # rkllama's: what lets a model on the NPU see
    "vision_encoder": Parameter(_TEXT),
    "img_start": Parameter(_TEXT),
    "img_end": Parameter(_TEXT),
    "img_content": Parameter(_TEXT),
    "backend": Parameter(Domain(ValueKind.CHOICE, choices=tuple(BackendChoice))),
    "keep_alive": Parameter(Domain(ValueKind.DURATION, -1), Effect.REQUEST),
    # Ollama's, gone
    **dict.fromkeys(
        ("penalize_newline", "low_vram", "f16_kv", "logits_all", "vocab_only", "use_mlock"), _GONE
    ),
}


class BadValueError(ValueError):
    """A parameter's value is of the wrong type or outside its range; the text says which."""


def parse_value(key: str, text: str) -> Value:
    """
    Turn *text* into the value of parameter *key*, a key of `PARAMETERS`.

    Raises:
        BadValueError: wrong type (in Ollama's words) or outside the range.
    """
    if len(text.encode()) > MAX_VALUE_BYTES:
        raise BadValueError(f"{key} is longer than {MAX_VALUE_BYTES} bytes")
    domain = PARAMETERS[key].domain
    value = _typed(domain, text)
    if not domain.admits(value):
        raise BadValueError(f"{key} must be {domain.allowed}, not {excerpt(text) or 'empty'}")
    return value


def _typed(domain: Domain, text: str) -> Value:
    match domain.kind:
        case ValueKind.INT if _INT.fullmatch(text):
            return int(text)
        case ValueKind.FLOAT if _FLOAT.fullmatch(text) and math.isfinite(float(text)):
            return float(text)
        case ValueKind.BOOL if text in _TRUE or text in _FALSE:
            return text in _TRUE
        case ValueKind.STRING:
            return text
        case ValueKind.DURATION:
            return _seconds(text, domain)
        case ValueKind.CHOICE if text.lower() in domain.choices:
            return text.lower()
        case ValueKind.CHOICE:
            raise BadValueError(f"invalid value [{excerpt(text)}]: {domain.allowed}")
        case ValueKind.INT | ValueKind.FLOAT | ValueKind.BOOL:
            raise BadValueError(f"invalid {domain.kind} value [{excerpt(text)}]")


def _seconds(text: str, domain: Domain) -> Value:
    try:
        seconds = duration(text)
    except ValueError as trouble:
        raise BadValueError(f"invalid duration [{excerpt(text)}]: {domain.allowed}") from trouble
    if math.isinf(seconds):
        return -1
    return int(seconds) if seconds.is_integer() else seconds
