"""How a request's sampling reaches the runtime, and what it has no place for. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from rkd.errors import PreconditionError, Reason
from rkd.inference import Sampling


@dataclass(frozen=True, slots=True)
class EngineSampling:
    """
    The nine knobs of the runtime, every one set.

    **Source** of the defaults: `rkllm_createDefaultParam` of 1.2.1b1, repeated by the vendor's
    guide of 1.3.0.
    """

    top_k: int = 40
    top_p: float = 0.9
    temperature: float = 0.8
    repeat_penalty: float = 1.1
    frequency_penalty: float = 0.0
    presence_penalty: float = 0.0
    mirostat: int = 0
    mirostat_tau: float = 5.0
    mirostat_eta: float = 0.1


DEFAULTS = EngineSampling()

_NEUTRAL: dict[str, tuple[object, ...]] = {
    "min_p": (None, 0.0),
    "typical_p": (None, 1.0),
    "repeat_last_n": (None,),
    "logprobs": (None,),
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
    given = {
        name: value
        for name in EngineSampling.__dataclass_fields__
        if (value := getattr(sampling, name)) is not None
    }
    if sampling.temperature == 0:
        given |= {"top_k": 1, "temperature": 1.0}
    return EngineSampling(**given)


def _check(sampling: Sampling) -> None:
    for name, neutral in _NEUTRAL.items():
        if getattr(sampling, name) not in neutral:
            raise unsupported(name, "the NPU runtime has no such thing")
    if sampling.seed is not None and sampling.seed >= 0:
        raise unsupported("seed", "the NPU runtime's sampling cannot be seeded")


def unsupported(capability: str, why: str) -> PreconditionError:
    """Make the error for *capability*, naming the way out."""
    return PreconditionError(
        Reason.CAPABILITY_UNSUPPORTED,
        f"{capability} cannot be used with this model: {why}",
        remedy=f"Ask without {capability}, or use a GGUF of the model on the CPU "
        "(`--backend cpu`).",
        metadata={"capability": capability},
    )
