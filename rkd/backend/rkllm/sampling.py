"""How a request's sampling reaches the runtime, and what it has no place for. Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from rkd.capability.table import refuse_sampling
from rkd.capability.traits import Traits
from rkd.inference import Sampling
from rkd.model import BackendKind
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


def engine_sampling(sampling: Sampling) -> EngineSampling:
    """
    Fill in the runtime's own defaults.

    Temperature 0 means the likeliest token: it becomes top_k 1, since what the runtime does with a
    temperature of 0 is not documented.

    Raises:
        PreconditionError: CAPABILITY_UNSUPPORTED, for what the runtime cannot do.
    """
    refuse_sampling(sampling, Traits(BackendKind.NPU))
    given = {name: value for name in _KNOBS if (value := getattr(sampling, name)) is not None}
    if sampling.temperature == 0:
        given |= {"top_k": 1, "temperature": 1.0}
    return replace(DEFAULTS, **given)
