"""
The closed table of PARAMETER keys: type, range, what each means to rkd; and the check of a value.

Keys and types are Ollama's (its `api.Options`, August 2026); rkd's own are marked. Ranges are
rkd's: Ollama takes any number, and a temperature of -3 then fails at the first token.
"""

from __future__ import annotations

import enum
import math
import re
from dataclasses import dataclass

Value = int | float | bool | str

_INT = re.compile(r"[+-]?[0-9]{1,20}")
_FLOAT = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")
_TRUE = frozenset({"1", "t", "T", "TRUE", "true", "True"})
_FALSE = frozenset({"0", "f", "F", "FALSE", "false", "False"})


class Kind(enum.StrEnum):
    """The type of a parameter's value."""

    INT = "int"
    FLOAT = "float"
    BOOL = "bool"
    STRING = "string"
    CHOICE = "choice"


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
    """One row of the table; low and high are inclusive, and None for strings and booleans."""

    kind: Kind
    effect: Effect = Effect.REQUEST
    low: float | None = None
    high: float | None = None
    choices: tuple[str, ...] = ()

    @property
    def allowed(self) -> str:
        """What a value may be, for people."""
        match self.kind:
            case Kind.BOOL:
                return "true or false"
            case Kind.STRING:
                return "a text that is not empty"
            case Kind.CHOICE:
                return "one of " + ", ".join(self.choices)
            case Kind.INT | Kind.FLOAT:
                return f"{_plain(self.low)} to {_plain(self.high)}"


def _int(low: int, high: int, effect: Effect = Effect.REQUEST) -> Parameter:
    return Parameter(Kind.INT, effect, low, high)


def _float(low: float, high: float) -> Parameter:
    return Parameter(Kind.FLOAT, Effect.REQUEST, low, high)


_GONE = Parameter(Kind.BOOL, Effect.DEPRECATED)
_COUNT = 2**24
"""No context, batch or answer is longer; keeps absurd numbers out of size arithmetic."""

PARAMETERS: dict[str, Parameter] = {
    "num_ctx": _int(0, _COUNT, Effect.LOAD),
    "num_batch": _int(1, 65_536, Effect.LOAD),
    "num_gpu": _int(-1, 1_000, Effect.NONE),
    "main_gpu": _int(0, 1_000, Effect.NONE),
    "use_mmap": Parameter(Kind.BOOL, Effect.NONE),
    "num_thread": _int(0, 256, Effect.LOAD),
    "draft_num_predict": _int(0, 64, Effect.NONE),
    "num_keep": _int(-1, _COUNT),
    "seed": _int(-1, 2**32 - 1),
    "num_predict": _int(-2, _COUNT),
    "top_k": _int(0, 1_000_000),
    "top_p": _float(0, 1),
    "min_p": _float(0, 1),
    "typical_p": _float(0, 1),
    "repeat_last_n": _int(-1, _COUNT),
    "temperature": _float(0, 5),
    "repeat_penalty": _float(0, 10),
    "presence_penalty": _float(-2, 2),
    "frequency_penalty": _float(-2, 2),
    "mirostat": _int(0, 2),
    "mirostat_tau": _float(0, 100),
    "mirostat_eta": _float(0, 1),
    "stop": Parameter(Kind.STRING),
    # rkd's own
    "num_parallel": _int(1, 64, Effect.LOAD),
    "kv_cache_type": Parameter(Kind.CHOICE, Effect.LOAD, choices=("auto", "f16", "q8_0", "q4_0")),
    "rkllm_version": Parameter(Kind.STRING, Effect.LOAD),
    "enable_thinking": Parameter(Kind.BOOL),
    # Ollama's, gone
    "penalize_newline": _GONE,
    "low_vram": _GONE,
    "f16_kv": _GONE,
    "logits_all": _GONE,
    "vocab_only": _GONE,
    "use_mlock": _GONE,
}


class BadValueError(ValueError):
    """A parameter's value is of the wrong type or outside its range; the text says which."""


def parse_value(key: str, text: str) -> Value:
    """
    Turn *text* into the value of parameter *key*, a key of `PARAMETERS`.

    Raises:
        BadValueError: wrong type (in Ollama's words) or outside the range.
    """
    parameter = PARAMETERS[key]
    value = _typed(parameter, text)
    outside = (
        isinstance(value, int | float)
        and parameter.low is not None
        and parameter.high is not None
        and not parameter.low <= value <= parameter.high
    )
    if outside or (parameter.kind is Kind.STRING and not text):
        raise BadValueError(f"{key} must be {parameter.allowed}, not {text[:60] or 'empty'}")
    return value


def _typed(parameter: Parameter, text: str) -> Value:
    match parameter.kind:
        case Kind.INT if _INT.fullmatch(text):
            return int(text)
        case Kind.FLOAT if _FLOAT.fullmatch(text) and math.isfinite(float(text)):
            return float(text)
        case Kind.BOOL if text in _TRUE or text in _FALSE:
            return text in _TRUE
        case Kind.STRING:
            return text
        case Kind.CHOICE if text.lower() in parameter.choices:
            return text.lower()
        case Kind.CHOICE:
            raise BadValueError(f"invalid value [{text[:60]}]: {parameter.allowed}")
        case Kind.INT | Kind.FLOAT | Kind.BOOL:
            raise BadValueError(f"invalid {parameter.kind} value [{text[:60]}]")


def _plain(number: float | None) -> str:
    return "any" if number is None else f"{number:g}" if number % 1 else str(int(number))
