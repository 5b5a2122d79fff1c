"""Every documented value of every sampling parameter, on the engine of the wheel."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from rkd.backend.llamacpp.backend import LlamaCppBackend
from rkd.errors import InvalidInputError
from rkd.inference import FinishReason, LoadSpec, Run, Sampling
from rkd.model import BackendKind, Recipe
from rkd.modelfile.sampling import SAMPLING, SamplingParameter, ValueKind
from rkd.service.options import read_options
from rkd.v1 import types_pb2 as pb
from rkd.worker.handle import Handle
from tests.contract.backend_suite import carried_out
from tests.models import tiny


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LlamaCppBackend]:
    """One with a tiny model."""
    folder = tmp_path_factory.mktemp("engine")
    made = LlamaCppBackend(lambda: None, folder)
    weights = tiny.write(folder / "tiny.gguf")
    spec = LoadSpec(BackendKind.CPU, str(weights), context_tokens=256, threads=1)
    made.load(spec, lambda _: None)
    yield made
    made.close()


def test_the_defaults_are_the_engines(engine: LlamaCppBackend) -> None:
    """What the table says is taken when nothing is said."""
    settings = engine._http.get("/props")["default_generation_settings"]["params"]

    for row in SAMPLING:
        if row.cpu is not None:
            assert settings[row.engine or row.name] == pytest.approx(row.cpu), row.name


@pytest.mark.parametrize("row", SAMPLING, ids=lambda row: str(row.name))
def test_what_is_documented_is_accepted(engine: LlamaCppBackend, row: SamplingParameter) -> None:
    """Both ends of the range and each value with a meaning of its own give an answer."""
    for value in (row.domain.low, row.domain.high, *row.means):
        number = int(value) if row.domain.kind is ValueKind.INT else value
        asked = pb.InferenceOptions(sampling=pb.SamplingOptions(max_tokens=4))
        setattr(asked.sampling, row.name, number)
        sampling = read_options(asked, Recipe()).sampling
        outcome = engine.run(Run(sampling, prompt="Hi"), Handle(), lambda _: None)

        assert outcome.usage.prompt_tokens > 0


PLAIN = {"temperature": 1.2, "top_p": 1.0, "min_p": 0.0, "seed": 7}
LETTERS = ((102, 9.0), (103, 8.0), (104, 7.0))
"""Makes `a`, `b` and `c` likely, so that there is something to repeat."""
ENDS = ((2, -100.0), (4, -100.0))
EFFECTS: dict[str, dict[str, Any]] = {
    "top_n_sigma": {"top_n_sigma": 0.5, "logit_bias": ENDS},
    "xtc": {"xtc_probability": 1.0, "xtc_threshold": 0.02, "logit_bias": ENDS},
    "dynatemp": {"dynatemp_range": 1.0, "dynatemp_exponent": 2.0, "logit_bias": ENDS},
    "dry": {"dry_multiplier": 5.0, "dry_base": 3.0, "dry_allowed_length": 1, "logit_bias": LETTERS},
    "dry over all": {"dry_multiplier": 9.0, "dry_penalty_last_n": -1, "logit_bias": LETTERS},
    "ignore_eos": {"logit_bias": ((2, 6.0), (4, 6.0)), "ignore_eos": True},
}


def same(streamed: str, whole: str) -> bool:
    """The same text; a stream leaves out the characters that its last tokens only began."""
    return whole.startswith(streamed) and len(whole) - len(streamed) < 10 < len(streamed)


@pytest.mark.parametrize("asked", EFFECTS.values(), ids=EFFECTS)
def test_the_engine_called_directly_says_the_same(
    engine: LlamaCppBackend, asked: dict[str, Any]
) -> None:
    """With the same seed and settings in its own words, and something else without them."""
    given: dict[str, Any] = {**PLAIN, **asked}
    # A prompt that is in the cache is computed in other batches, and these differ by a hair.
    carried_out(engine, Run(Sampling(max_tokens=1), prompt="abcabcabc"))
    ours = carried_out(engine, Run(Sampling(max_tokens=40, **given), prompt="abcabcabc"))
    body: dict[str, Any] = {"prompt": "abcabcabc", "n_predict": 40, **given}
    if body.get("dry_penalty_last_n") == -1:
        body["dry_penalty_last_n"] = 256  # the engine's own -1 is refused by it
    direct = engine._http.post("/completion", body)
    without = {name: value for name, value in given.items() if name in {*PLAIN, "logit_bias"}}
    plain = carried_out(engine, Run(Sampling(max_tokens=40, **without), prompt="abcabcabc"))

    assert same(ours.text, direct["content"])
    assert ours.outcome.usage.completion_tokens == direct["tokens_predicted"]
    assert ours.text != plain.text


def test_breakers_change_what_dry_sees(engine: LlamaCppBackend) -> None:
    """The same as the engine with them, other than without."""
    given: dict[str, Any] = {"dry_multiplier": 9.0, "dry_allowed_length": 1, "seed": 1}
    given["logit_bias"] = LETTERS
    breakers = ("a", "b", "c")
    plain = carried_out(engine, Run(Sampling(max_tokens=40, **given), prompt="abcabcabc"))
    with_them = Sampling(max_tokens=40, dry_sequence_breakers=breakers, **given)
    ours = carried_out(engine, Run(with_them, prompt="abcabcabc"))
    body = {"prompt": "abcabcabc", "n_predict": 40, "dry_sequence_breakers": breakers, **given}

    assert ours.text != plain.text
    assert same(ours.text, engine._http.post("/completion", body)["content"])


def test_a_stop_token_ends_the_answer_before_it(engine: LlamaCppBackend) -> None:
    """What was said before it is what is said without it; its id is told, its text is not."""
    free = Sampling(temperature=0, seed=1, max_tokens=30)
    whole = carried_out(engine, Run(free, prompt="Hi"))
    ids = [token for chunk in whole.chunks for token in chunk.token_ids]
    stop = ids[12]
    recorded = carried_out(engine, Run(replace(free, stop_token_ids=(stop,)), prompt="Hi"))
    outcome = recorded.outcome

    assert outcome.reason is FinishReason.STOP_SEQUENCE
    assert (outcome.matched_token_id, outcome.matched_stop) == (stop, engine.detokenize((stop,)))
    assert outcome.usage.completion_tokens == ids.index(stop) + 1
    assert outcome.usage.prompt_tokens == whole.outcome.usage.prompt_tokens
    assert whole.text.startswith(recorded.text)
    assert outcome.timings.decode_ms > 0
    assert carried_out(engine, Run(free, prompt="Hi")).text == whole.text


def test_a_stop_token_the_model_has_not_is_refused(engine: LlamaCppBackend) -> None:
    """By its place."""
    sampling = Sampling(max_tokens=3, stop_token_ids=(5, 100_000))
    with pytest.raises(InvalidInputError) as caught:
        carried_out(engine, Run(sampling, prompt="Hi"))

    assert caught.value.violations[0].field == "options.sampling.stop_token_ids[1]"
