"""Sampling reaches the runtime whole, or is refused."""

from __future__ import annotations

import pytest

from rkd.backend.rkllm.sampling import DEFAULTS, EngineSampling, engine_sampling
from rkd.errors import PreconditionError, Reason
from rkd.inference import Sampling


def test_what_is_not_set_is_the_runtimes_default() -> None:
    """None leaves a knob where the runtime has it."""
    assert engine_sampling(Sampling()) == DEFAULTS


def test_what_is_set_arrives() -> None:
    """Every knob the runtime has is passed on, zeros included."""
    given = Sampling(0.5, 7, 0.25, None, None, 1.5, None, 0.5, 0.75, 2, 4.0, 0.2)

    assert engine_sampling(given) == EngineSampling(7, 0.25, 0.5, 1.5, 0.75, 0.5, 2, 4.0, 0.2)
    assert engine_sampling(Sampling(top_k=0, top_p=0.0)).top_k == 0


def test_temperature_zero_is_the_likeliest_token() -> None:
    """Greedy is asked for in the one way that is documented."""
    assert engine_sampling(Sampling(temperature=0.0, top_k=40)).top_k == 1


@pytest.mark.parametrize(
    ("sampling", "name"),
    [
        (Sampling(seed=1), "seed"),
        (Sampling(min_p=0.1), "min_p"),
        (Sampling(typical_p=0.9), "typical_p"),
        (Sampling(logprobs=0), "logprobs"),
        (Sampling(grammar="root ::= x"), "grammar"),
        (Sampling(json_schema="{}"), "json_schema"),
        (Sampling(logit_bias=((1, 2.0),)), "logit_bias"),
        (Sampling(repeat_last_n=32), "repeat_last_n"),
    ],
)
def test_what_the_runtime_cannot_do_is_refused(sampling: Sampling, name: str) -> None:
    """Nothing is ignored: what has no place is CAPABILITY_UNSUPPORTED, with the way out."""
    with pytest.raises(PreconditionError, match=name) as caught:
        engine_sampling(sampling)

    assert caught.value.reason is Reason.CAPABILITY_UNSUPPORTED
    assert "--backend cpu" in caught.value.remedy


def test_values_that_ask_for_nothing_pass() -> None:
    """A Modelfile shared with the CPU may spell out what is off."""
    off = Sampling(min_p=0.0, typical_p=1.0, grammar="", seed=-1)

    assert engine_sampling(off) == DEFAULTS
