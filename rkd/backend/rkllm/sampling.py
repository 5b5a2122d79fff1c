"""How a request's sampling reaches the runtime, and what it has no place for. Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from rkd.errors import PreconditionError, Reason
from rkd.inference import Sampling
from rkd.modelfile.sampling import SAMPLING


@dataclass(frozen=True, slots=True)
class EngineSampling:
    """The nine knobs of the runtime, every one set."""

    top_k: int
    top_p: float
    temperature: float
    repeat_penalty: float
    frequency_penalty: float
    presence_penalty: float
    mirostat: int
    mirostat_tau: float
    mirostat_eta: float


_KNOBS: dict[str, Any] = {row.name: row.npu for row in SAMPLING if row.npu is not None}
DEFAULTS = EngineSampling(**_KNOBS)
ABSENT: dict[str, tuple[object, ...]] = {
    **{row.name: (None, row.off) for row in SAMPLING if not row.on_npu},
    "grammar": (None, ""),
    "json_schema": (None, ""),
    "logit_bias": ((),),
}
"""What the runtime cannot do, and the values that ask for nothing."""


def engine_sampling(sampling: Sampling) -> EngineSampling:
    """
    Fill in the runtime's own defaults.

    Temperature 0 means the likeliest token: it becomes top_k 1, since what the runtime does with a
    temperature of 0 is not documented.

    Raises:
        PreconditionError: CAPABILITY_UNSUPPORTED, for what the runtime cannot do.
    """
    _check(sampling)
    given = {name: value for name in _KNOBS if (value := getattr(sampling, name)) is not None}
    if sampling.temperature == 0:
        given |= {"top_k": 1, "temperature": 1.0}
    return replace(DEFAULTS, **given)


def _check(sampling: Sampling) -> None:
    for name, neutral in ABSENT.items():
        if getattr(sampling, name) not in neutral:
            raise unsupported(name, "the NPU's runtime has no such thing")


def unsupported(capability: str, why: str) -> PreconditionError:
    """Make the error for *capability*, naming the way out."""
    return PreconditionError(
        Reason.CAPABILITY_UNSUPPORTED,
        f"{capability} cannot be used with this model: {why}",
        remedy=f"Ask without {capability}, or use a GGUF of the model on the CPU "
        "(`--backend cpu`).",
        metadata={"capability": capability},
    )
