"""
The one table of sampling parameters: each row's type, range, defaults, and what others call it.

What requests and Modelfiles accept, what the backends send, the flags and `/set` names of `rkctl`
and the tables in the docs follow from it. A new parameter is a row here, a field of
`rkd.inference.Sampling` and one of `SamplingOptions` in the proto; tests hold the three together.
"""

from __future__ import annotations

import enum
import math
from collections.abc import Mapping
from dataclasses import dataclass, field

Value = int | float | bool | str


class ValueKind(enum.StrEnum):
    """The type of a parameter's value."""

    INT = "int"
    FLOAT = "float"
    BOOL = "bool"
    STRING = "string"
    CHOICE = "choice"
    DURATION = "duration"
    """Seconds; -1 is for ever."""


@dataclass(frozen=True, slots=True)
class Domain:
    """What a value may be; low and high are inclusive, and of numbers alone."""

    kind: ValueKind
    low: float = -math.inf
    high: float = math.inf
    choices: tuple[str, ...] = ()

    @property
    def allowed(self) -> str:
        """What a value may be, for people."""
        match self.kind:
            case ValueKind.BOOL:
                return "true or false"
            case ValueKind.STRING:
                return "a text that is not empty"
            case ValueKind.CHOICE:
                return "one of " + ", ".join(self.choices)
            case ValueKind.DURATION:
                return "a time such as 90s, 5m, 1h30m or 0; -1 is for ever"
            case ValueKind.INT | ValueKind.FLOAT:
                return f"{plain(self.low)} to {plain(self.high)}"

    def admits(self, value: Value) -> bool:
        """Whether *value*, of the right type, is in range; NaN is in none."""
        if isinstance(value, str):
            return value in self.choices if self.choices else bool(value)
        return self.low <= value <= self.high


@dataclass(frozen=True, slots=True)
class SamplingParameter:
    """
    One row.

    Args:
        name: of the field in requests and in `Sampling`, of rkctl's flag and `/set`.
        domain: what a value may be, in a request and in a Modelfile.
        cpu, npu: what llama.cpp and Rockchip's runtime take when nothing is said; None where they
            draw or have no limit. A runtime that has no such thing at all has *off* instead.
        help: what it does, for people: a clause.
        off: for what the NPU's runtime lacks, the value that asks for nothing; see `on_npu`.
        of: the parameter without which this one asks for nothing.
        on_npu: the runtime has it (every release of it).
        means: values that stand for another one; for None, as if nothing was said.
        engine: llama.cpp's name of the field, where it is not ours.
        modelfile: Ollama's key, where it is not our name; "-" for none.
        rkllama: the key of its env form, where it is not Ollama's in upper case.
        openai, vllm: their names; "" where they have none.
    """

    name: str
    domain: Domain
    cpu: float | None
    npu: float | None
    help: str
    off: float | None = None
    of: str = ""
    on_npu: bool = True
    means: Mapping[float, float | None] = field(default_factory=dict)
    engine: str = ""
    modelfile: str = ""
    rkllama: str = ""
    openai: str = ""
    vllm: str = ""

    @property
    def key(self) -> str:
        """Of PARAMETER in a Modelfile; "" for none."""
        return "" if self.modelfile == "-" else self.modelfile or self.name

    @property
    def env_key(self) -> str:
        """Of rkllama's form; "" for none."""
        return self.rkllama or self.key.upper()

    def meant(self, value: Value | None) -> Value | None:
        """What *value* stands for; None for nothing."""
        return self.means.get(value, value) if isinstance(value, int | float) else value


def plain(number: float) -> str:
    """*number* without a point where it needs none."""
    return f"{number:g}" if number % 1 else str(int(number))


def _whole(low: int, high: int) -> Domain:
    return Domain(ValueKind.INT, low, high)


def _real(low: float, high: float) -> Domain:
    return Domain(ValueKind.FLOAT, low, high)


TOKENS_AT_MOST = 2**24
LOOP_GUARD_AT_MOST = 100_000
"""Tokens of a circle; the setting of the daemon ends there too."""
"""No context, batch or window is longer; keeps absurd numbers out of size arithmetic."""
MAX_STOPS = 64
"""Of stop sequences, stop tokens and sequence breakers each, in a request and in a Modelfile."""
MAX_STOP_BYTES = 1_024
"""Of one stop sequence: each token of an answer is compared with all of them."""

_Row = SamplingParameter
# **Sources**: cpu, `default_generation_settings` of the engine's /props, compared by a test; npu,
# `rkllm_createDefaultParam` of 1.2.1b1, repeated by the vendor's guide of 1.3.0. Ranges are rkd's:
# the widest of what was ever promised that the engines take; Ollama takes any number, and a
# temperature of -3 then fails at the first token.
# fmt: off
SAMPLING: tuple[SamplingParameter, ...] = (
    _Row("temperature", _real(0, 5), 0.8, 0.8, "0 always takes the best token",
         openai="temperature", vllm="temperature"),
    _Row("top_k", _whole(0, 1_000_000), 40, 40, "only so many of the best tokens; 0: all",
         vllm="top_k"),
    _Row("top_p", _real(0, 1), 0.95, 0.9,
         "only the best tokens that together have this probability",
         openai="top_p", vllm="top_p"),
    _Row("min_p", _real(0, 1), 0.05, None,
         "drop tokens less likely than this fraction of the best one",
         on_npu=False, off=0, vllm="min_p"),
    _Row("typical_p", _real(0, 1), 1, None, "locally typical sampling; 1 is off",
         on_npu=False, off=1),
    _Row("repeat_penalty", _real(0, 10), 1, 1.1, "penalty on repeated tokens; 1 and 0 are off",
         means={0: 1.0}, vllm="repetition_penalty"),
    _Row("repeat_last_n", _whole(-1, TOKENS_AT_MOST), 64, None,
         "how many last tokens the penalties look at; 0 none, -1 the whole context", on_npu=False),
    _Row("presence_penalty", _real(-2, 2), 0, 0, "penalty on tokens that occurred at all",
         openai="presence_penalty", vllm="presence_penalty"),
    _Row("frequency_penalty", _real(-2, 2), 0, 0, "penalty that grows with each occurrence",
         openai="frequency_penalty", vllm="frequency_penalty"),
    _Row("mirostat", _whole(0, 2), 0, 0, "mirostat's version; 0 is off"),
    _Row("mirostat_tau", _real(0, 100), 5, 5, "mirostat's target entropy"),
    _Row("mirostat_eta", _real(0, 1), 0.1, 0.1, "mirostat's learning rate"),
    _Row("top_n_sigma", _real(-1, 100), -1, None,
         "only tokens within so many standard deviations of the best one; -1 and 0 are off",
         on_npu=False, off=-1, means={0: -1.0}),
    _Row("xtc_probability", _real(0, 1), 0, None,
         "how likely the likeliest tokens are left out (XTC); 0 is off", on_npu=False, off=0),
    _Row("xtc_threshold", _real(0, 1), 0.1, None,
         "how probable a token is that XTC leaves out; above 0.5 is off",
         on_npu=False, of="xtc_probability"),
    _Row("dry_multiplier", _real(0, 100), 0, None,
         "penalty on going on with what was said before (DRY); 0 is off", on_npu=False, off=0),
    _Row("dry_base", _real(1, 100), 1.75, None,
         "how DRY's penalty grows with each repeated token", on_npu=False, of="dry_multiplier"),
    _Row("dry_allowed_length", _whole(0, TOKENS_AT_MOST), 2, None,
         "so many tokens may be repeated without DRY's penalty",
         on_npu=False, of="dry_multiplier"),
    _Row("dry_penalty_last_n", _whole(-1, TOKENS_AT_MOST), 64, None,
         "how many last tokens DRY looks at; 0 none, -1 the whole context",
         on_npu=False, of="dry_multiplier"),
    _Row("dynatemp_range", _real(0, 5), 0, None,
         "how far the temperature follows how sure the model is; 0 is off",
         on_npu=False, off=0),
    _Row("dynatemp_exponent", _real(0, 100), 1, None,
         "how it follows: 1 evenly", on_npu=False, of="dynatemp_range"),
    # The engine reads 2^32-1 as -1, of 32 bits as its seed is.
    _Row("seed", _whole(-1, 2**32 - 1), None, None,
         "equal seeds give equal answers; -1 and 2^32-1 draw one", on_npu=False, off=-1,
         means={-1: None, 2**32 - 1: None}, openai="seed", vllm="seed"),
    _Row("max_tokens", _whole(-2, 2**30), None, None,
         "longest answer; 0 only reads the prompt, -1 and -2 end with the context",
         means={-1: None, -2: None}, engine="n_predict", modelfile="num_predict",
         rkllama="MAX_NEW_TOKENS", openai="max_completion_tokens", vllm="max_tokens"),
    _Row("logprobs", _whole(0, 20), None, None,
         "report the probability of each token, and of so many others", on_npu=False,
         engine="n_probs", modelfile="-", openai="top_logprobs", vllm="logprobs"),
)
# fmt: on
