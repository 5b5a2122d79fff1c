"""Our options in llama-server's words, and its refusals in ours."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from rkd.backend.llamacpp.http import EngineError
from rkd.backend.llamacpp.request import body_of, broken_in, refusal_of
from rkd.backend.llamacpp.schemas import Schemas
from rkd.errors import InvalidInputError, Reason, RkdError
from rkd.inference import LoadSpec, Run, Sampling
from rkd.model import BackendKind

SPEC = LoadSpec(BackendKind.CPU, "/w", adapters=(("a", "/a", 1.0), ("b", "/b", 0.25)))


def body(run: Run | None = None, **sampling: Any) -> dict[str, Any]:
    """The request of a run with *sampling*."""
    made = dataclasses.replace(run or Run(), sampling=Sampling(**sampling))
    return body_of(made, "p", SPEC, 7)


def test_what_is_not_said_is_left_to_the_engine() -> None:
    """Only what every request needs is there; no limit is -1."""
    assert body() == {
        "prompt": "p", "stream": True, "return_progress": False, "return_tokens": True,
        "cache_prompt": True, "seed": 7, "stop": [], "n_predict": -1,
        "lora": [{"id": 0, "scale": 1.0}, {"id": 1, "scale": 0.25}],
    }  # fmt: skip
    assert "lora" not in body_of(Run(), "p", dataclasses.replace(SPEC, adapters=()), 7)


def test_zero_is_a_value() -> None:
    """Greedy, no nucleus, no window: each is sent as it is."""
    names = (
        "temperature", "top_k", "top_p", "min_p", "typical_p", "repeat_penalty", "repeat_last_n",
        "presence_penalty", "frequency_penalty", "mirostat", "mirostat_tau", "mirostat_eta",
    )  # fmt: skip
    sent = body(**dict.fromkeys(names, 0))

    assert {name: sent[name] for name in names} == dict.fromkeys(names, 0)


def test_every_option_of_ours_reaches_the_engine() -> None:
    """One that is added and not sent would be ignored in silence."""
    plain = body()
    values: dict[str, Any] = {
        one.name: 3 for one in dataclasses.fields(Sampling) if one.name not in {"seed", "of_model"}
    }
    values |= {"stop": ("s",), "logit_bias": ((1, 0.5),), "grammar": "g", "json_schema": "{}"}
    values |= {"stop_token_ids": (3,), "dry_sequence_breakers": (":",), "ignore_eos": True}
    values |= {"regex": "a", "choices": ("a",)}

    assert all(body(**{name: value}) != plain for name, value in values.items())


def test_some_words_differ() -> None:
    """Lengths, biases, probabilities."""
    sent = body(max_tokens=0, logprobs=0, logit_bias=((1, 0.5),), stop=("a", "b"))

    assert (sent["n_predict"], sent["n_probs"]) == (1, 1)
    assert (sent["logit_bias"], sent["stop"]) == ([[1, 0.5]], ["a", "b"])


def test_a_schema_is_an_object() -> None:
    """An empty one asks for any object."""
    assert body(json_schema='{"type": "string"}')["json_schema"] == {"type": "string"}
    assert body(json_schema="{}")["json_schema"] == {"type": "object"}
    assert body(json_schema="")["json_schema"] == {"type": "object"}


@pytest.mark.parametrize(
    ("schema", "said"),
    [
        ("{", "is no JSON"),
        ("[]", "a JSON object"),
        ('{"a":' * 90_000, "nested deeper"),
        ('{"const": "\\ud800"}', "surrogates"),
    ],
)
def test_a_schema_that_is_none_is_refused(schema: str, said: str) -> None:
    """Naming the field."""
    with pytest.raises(InvalidInputError, match=said) as caught:
        body(json_schema=schema)

    assert caught.value.violations[0].field == "options.sampling.json_schema"


def test_adapters_a_run_does_not_name_are_off() -> None:
    """By their place in the load; an unknown one is refused with those there are."""
    assert body(Run(lora=(("b", 0.5),)))["lora"] == [
        {"id": 0, "scale": 0.0},
        {"id": 1, "scale": 0.5},
    ]
    with pytest.raises(InvalidInputError, match="no adapter 'c'; it has: a, b"):
        body(Run(lora=(("c", 1.0),)))


def refused(**error: object) -> RkdError:
    """What the engine's *error* becomes."""
    return refusal_of(EngineError(400, error))


def test_a_prompt_too_long_is_told_in_numbers() -> None:
    """As CONTEXT_LENGTH_EXCEEDED."""
    error = refused(type="exceed_context_size_error", n_prompt_tokens=9, n_ctx=8)

    assert error.reason is Reason.CONTEXT_LENGTH_EXCEEDED
    assert error.metadata == {"prompt_tokens": "9", "limit": "8"}


@pytest.mark.parametrize(
    ("message", "field"),
    [("Failed to parse Grammar.", "options.sampling.grammar"), ("bad thing", "options")],
)
def test_a_request_refused_is_the_callers(message: str, field: str) -> None:
    """Naming the grammar where it is that."""
    error = refused(type="invalid_request_error", message=message)

    assert (error.reason, error.violations[0].field) == (Reason.INVALID_FIELD, field)
    assert message.rstrip(".") in error.message


def test_a_grammar_of_nothing_is_the_callers() -> None:
    """`[z-a]` is taken by the engine, and fails at the first token as a server's error."""
    words = "got exception: Unexpected empty grammar stack after accepting piece:  (30)"
    error = refused(type="server_error", message=words)

    assert error.reason is Reason.INVALID_FIELD
    assert error.violations[0].field == "options.sampling.grammar"


def test_anything_else_is_a_defect() -> None:
    """With the engine's words."""
    error = refused(type="server_error", message="it broke.")

    assert (error.reason, error.message) == (Reason.INTERNAL, "llama.cpp failed: it broke.")


def test_choices_and_expressions_go_as_grammars() -> None:
    """Ways that begin alike are one, and the schema stays what it is."""
    assert body(choices=("yes", "yes!"))["grammar"].startswith('root ::= "yes" c1')
    assert body(regex="[ab]")["grammar"] == 'root ::= [a-b] s1\ns1 ::= ""\ns0 ::= root'
    assert "grammar" not in body(json_schema="{}")


@pytest.mark.parametrize(
    ("sampling", "answer", "said"),
    [
        (Sampling(choices=("a", "b")), "a", ""),
        (Sampling(choices=("a", "b")), "ab", "the choices"),
        (Sampling(regex="a+"), "aaa", ""),
        (Sampling(regex="a+"), "aab", "the regular expression"),
        (Sampling(json_schema='{"type": "boolean"}'), "true", ""),
        (Sampling(json_schema='{"type": "boolean"}'), "1", "the JSON schema: 'type' at '$'"),
        (Sampling(grammar='root ::= "a"'), "b", ""),
        (Sampling(), "b", ""),
    ],
)
def test_a_finished_answer_is_tried(sampling: Sampling, answer: str, said: str) -> None:
    """By another reader than the engine; of grammars there is none."""
    assert broken_in(sampling, answer, Schemas()) == said


@pytest.mark.parametrize(("name", "sent"), [("repeat_last_n", 128), ("dry_penalty_last_n", 128)])
def test_the_whole_context_is_its_length(name: str, sent: int) -> None:
    """The engine knows no -1, and sets memory aside for as many as it is told."""
    spec = dataclasses.replace(SPEC, context_tokens=128)
    for asked in (-1, 1 << 24):
        made = body_of(Run(Sampling(**{name: asked})), "p", spec, 7)  # type: ignore[arg-type]
        assert made[name] == sent
