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
        (Sampling(top_n_sigma=1.0), "top_n_sigma"),
        (Sampling(xtc_probability=0.5), "xtc_probability"),
        (Sampling(dry_multiplier=0.8), "dry_multiplier"),
        (Sampling(dynatemp_range=0.5), "dynatemp_range"),
        (Sampling(ignore_eos=True), "ignore_eos"),
        (Sampling(regex="a"), "regex"),
        (Sampling(choices=("a",)), "choices"),
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
    off = Sampling(
        min_p=0.0, typical_p=1.0, grammar="", seed=-1, top_n_sigma=-1, xtc_probability=0,
        dry_multiplier=0, dynatemp_range=0, ignore_eos=False,
        # of what is off:
        xtc_threshold=0.3, dry_base=2, dry_allowed_length=3, dry_penalty_last_n=9,
        dynatemp_exponent=2, dry_sequence_breakers=(":",),
    )  # fmt: skip

    assert engine_sampling(off) == DEFAULTS


def test_what_only_the_modelfile_asks_for_is_passed_over() -> None:
    """It was written for both backends: no request fails for it."""
    assert engine_sampling(Sampling(min_p=0.1, of_model=("min_p",))) == DEFAULTS
    with pytest.raises(PreconditionError, match="seed"):
        engine_sampling(Sampling(min_p=0.1, seed=5, of_model=("min_p",)))
