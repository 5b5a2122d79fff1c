"""What a request asks: checked whole, merged over the Modelfile's."""

from __future__ import annotations

import dataclasses
import math

import pytest

from rkd.errors import InvalidInputError, Reason
from rkd.inference import Sampling
from rkd.model import BackendChoice, Recipe
from rkd.modelfile.sampling import SAMPLING, SamplingParameter, ValueKind
from rkd.service.options import Options, read_options
from rkd.v1 import types_pb2 as pb

NOTHING = Recipe()


def options(recipe: Recipe = NOTHING, **fields: object) -> Options:
    """The options of a request with *fields*."""
    return read_options(pb.InferenceOptions(**fields), recipe)


def sampling(recipe: Recipe = NOTHING, **fields: object) -> Sampling:
    """Its sampling."""
    return options(recipe, sampling=pb.SamplingOptions(**fields)).sampling


def refused(**fields: object) -> list[str]:
    """The fields refused."""
    with pytest.raises(InvalidInputError) as caught:
        options(**fields)
    assert caught.value.reason is Reason.INVALID_FIELD
    return [one.field for one in caught.value.violations]


def test_nothing_said_is_nothing_set() -> None:
    """Every default is the backend's."""
    made = options()

    assert made.sampling == Sampling()
    assert (made.backend, made.keep_alive_s, made.context_tokens) == (None, None, None)
    assert (made.queue_timeout_s, made.thinking, made.lora) == (None, None, ())


@pytest.mark.parametrize("row", SAMPLING, ids=lambda row: str(row.name))
def test_both_ends_of_a_range_are_in_it(row: SamplingParameter) -> None:
    """Zero is a value; one step beyond either end is refused by name."""
    name, low, high = row.name, row.domain.low, row.domain.high
    ends = [int(low), int(high)] if row.domain.kind is ValueKind.INT else [low, high]

    meant = [row.meant(end) for end in ends]
    assert [getattr(sampling(**{name: end}), name) for end in ends] == meant
    for beyond in (ends[0] - 1, ends[1] + 1):
        found = refused(sampling=pb.SamplingOptions(**{name: beyond}))
        assert found == [f"options.sampling.{name}"]


def test_nan_is_in_no_range() -> None:
    """It compares to nothing."""
    assert refused(sampling=pb.SamplingOptions(top_p=math.nan)) == ["options.sampling.top_p"]


def test_every_bad_field_is_named_at_once() -> None:
    """Not the first alone."""
    found = refused(
        sampling=pb.SamplingOptions(
            temperature=6,
            stop=["", "x" * 1025, *["y"] * 63],
            logit_bias=[pb.LogitBias(token_id=-1, bias=101)],
        ),
        request_id="a b",
        context_tokens=63,
        lora={"a": 3.0},
    )

    assert found == [
        "options.sampling.temperature", "options.sampling.stop", "options.sampling.stop[0]",
        "options.sampling.stop[1]", "options.sampling.logit_bias[0].token_id",
        "options.sampling.logit_bias[0].bias", "options.request_id", "options.context_tokens",
        "options.lora[a]",
    ]  # fmt: skip


def test_the_request_wins_over_the_modelfile() -> None:
    """Field by field; `stop` replaces and does not append."""
    own = Recipe(parameters=(("temperature", 0.5), ("top_k", 3), ("stop", "a"), ("stop", "b")))

    assert sampling(own) == Sampling(temperature=0.5, top_k=3, stop=("a", "b"))
    assert sampling(own, temperature=0, stop=["c"]) == Sampling(
        temperature=0.0, top_k=3, stop=("c",)
    )


@pytest.mark.parametrize(("key", "value", "expected"), [
    ("num_predict", 7, Sampling(max_tokens=7)),
    ("num_predict", -1, Sampling()),
    ("num_predict", -2, Sampling()),
    ("seed", -1, Sampling()),
    ("seed", 5, Sampling(seed=5)),
    ("seed", 2**32 - 1, Sampling()),
    ("repeat_penalty", 0.0, Sampling(repeat_penalty=1.0)),
    ("repeat_last_n", -1, Sampling(repeat_last_n=-1)),
])  # fmt: skip
def test_ollamas_words_are_understood(key: str, value: float, expected: Sampling) -> None:
    """-1 is no limit and no seed, a penalty of 0 is none; in a request as in a Modelfile."""
    name = "max_tokens" if key == "num_predict" else key

    assert sampling(Recipe(parameters=((key, value),))) == expected
    assert sampling(**{name: value}) == expected


def test_what_means_nothing_still_wins_over_the_modelfile() -> None:
    """A request for no limit takes the Modelfile's away."""
    own = Recipe(parameters=(("num_predict", 7), ("seed", 3)))

    assert sampling(own, max_tokens=-1, seed=-1) == Sampling()


def test_every_sampling_field_of_ours_can_be_asked_for() -> None:
    """One that no request sets would be dead."""
    values: dict[str, object] = dict.fromkeys((row.name for row in SAMPLING), 1)
    values |= {"stop": ["s"], "logit_bias": [pb.LogitBias(token_id=1, bias=2)]}
    values |= {"stop_token_ids": [5], "ignore_eos": True, "dry_sequence_breakers": [":"]}
    constraints: list[dict[str, object]] = [
        {"grammar": "g"},
        {"json_schema": "{}"},
        {"regex": "r"},
        {"choices": pb.Choices(values=["c"])},
    ]
    made = [sampling(**values, **one) for one in constraints]
    made.append(sampling(Recipe(parameters=(("top_k", 3),))))
    unset = {
        one.name
        for one in dataclasses.fields(Sampling)
        if all(getattr(it, one.name) in {None, ()} for it in made)
    }

    assert unset == set()


def test_the_rest_is_read() -> None:
    """Backend, times, thinking, adapters."""
    asked = pb.InferenceOptions(
        backend=pb.BACKEND_NPU, request_id="r-1", context_tokens=64, thinking=False,
        return_token_ids=True, lora={"b": 1.0, "a": 0.0}, priority=pb.PRIORITY_BACKGROUND,
    )  # fmt: skip
    asked.keep_alive.FromSeconds(-1)
    asked.queue_timeout.FromMilliseconds(1500)
    made = read_options(asked, Recipe(parameters=(("enable_thinking", True),)))

    assert (made.backend, made.request_id, made.context_tokens) == (BackendChoice.NPU, "r-1", 64)
    assert (made.keep_alive_s, made.queue_timeout_s) == (math.inf, 1.5)
    assert (made.thinking, made.return_token_ids) == (False, True)
    assert made.lora == (("a", 0.0), ("b", 1.0))
    assert made.priority == pb.PRIORITY_BACKGROUND


def test_thinking_may_be_the_models_own() -> None:
    """When the request says nothing and the Modelfile does."""
    assert options(Recipe(parameters=(("enable_thinking", False),))).thinking is False


def test_a_keep_alive_of_a_century_has_no_end() -> None:
    """It has no date to show, and nobody would notice the difference."""
    for seconds in (100 * 365 * 86_400, 300_000_000_000):
        asked = pb.InferenceOptions()
        asked.keep_alive.seconds = seconds

        assert read_options(asked, NOTHING).keep_alive_s == math.inf


def test_a_negative_wait_and_a_context_nobody_has_are_refused() -> None:
    """By their paths."""
    asked = pb.InferenceOptions()
    asked.queue_timeout.seconds = -1
    with pytest.raises(InvalidInputError) as caught:
        read_options(asked, NOTHING)

    assert [one.field for one in caught.value.violations] == ["options.queue_timeout"]
    assert refused(context_tokens=2**31 - 1) == ["options.context_tokens"]
    assert refused(lora={str(n): 1.0 for n in range(17)}) == ["options.lora"]


def test_lists_of_a_modelfile_are_its_own_until_a_request_has_some() -> None:
    """Stops, stop tokens and breakers each as a whole; what is the model's is marked as such."""
    own = Recipe(
        parameters=(
            *(("stop", "a"), ("stop_token_ids", 5), ("stop_token_ids", 6)),
            *(("dry_sequence_breakers", ":"), ("ignore_eos", True), ("min_p", 0.1)),
        )
    )
    made = sampling(own, stop_token_ids=[7])

    assert (made.stop, made.stop_token_ids, made.dry_sequence_breakers) == (("a",), (7,), (":",))
    assert set(made.of_model) == {"stop", "dry_sequence_breakers", "ignore_eos", "min_p"}
    assert sampling(own, min_p=0.2).of_model.count("min_p") == 0


def test_a_constraint_takes_the_models_own_ignore_eos_away() -> None:
    """One answer cannot keep both; the request's own wish is refused elsewhere."""
    own = Recipe(parameters=(("ignore_eos", True),))

    assert sampling(own).ignore_eos is True
    assert sampling(own, regex="a").ignore_eos is None
    assert sampling(own, regex="a", ignore_eos=True).ignore_eos is True


def test_several_answers() -> None:
    """One to sixteen."""
    assert options().answers == 1
    assert options(n=16).answers == 16
    assert refused(n=0) == ["options.n"]
    assert refused(n=17) == ["options.n"]


def test_no_choices_are_no_choice() -> None:
    """The constraint was asked for, and left empty."""
    found = refused(sampling=pb.SamplingOptions(choices=pb.Choices()))

    assert found == ["options.sampling.choices"]
    assert refused(sampling=pb.SamplingOptions(stop_token_ids=[-1])) == [
        "options.sampling.stop_token_ids[0]"
    ]
