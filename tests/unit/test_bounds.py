"""What is too much for an engine is refused before it sees it, by the name of its field."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from rkd import bounds
from rkd.errors import InvalidInputError, Reason
from rkd.grammar import gbnf
from rkd.inference import Run, Sampling, Tool
from rkd.model import Message, ToolCall
from tests.growth import assert_linear

GRAMMAR = "options.sampling.grammar"
SCHEMA = "options.sampling.json_schema"


_DOUBLING = "\n".join(f"r{at} ::= r{at + 1} | r{at + 1}" for at in range(1, 60))


def grammar(text: str) -> Run:
    """A run with that grammar."""
    return Run(sampling=Sampling(grammar=text))


def schema(text: str) -> Run:
    """A run with that schema."""
    return Run(sampling=Sampling(json_schema=text))


def calling(arguments: str) -> Run:
    """A run whose history has a call with *arguments*."""
    return Run(
        messages=(
            Message("user", "a"),
            Message("assistant", "", tool_calls=(ToolCall("1", "f", arguments),)),
        )
    )


@pytest.mark.parametrize(
    ("run", "field"),
    [
        (grammar("root ::= " + "(" * 100_000), GRAMMAR),
        (grammar("root ::= " + "(" * 65 + '"a"' + ")" * 65), GRAMMAR),
        (grammar('root ::= "a"' + '|"b"' * 10_001), GRAMMAR),
        (grammar("root ::= " + '"a"? ' * 501), GRAMMAR),
        (grammar("root ::= " + '"a"* ' * 501), GRAMMAR),
        (grammar('root ::= "a"{1,1000000}'), GRAMMAR),
        (grammar('root ::= "a"{ 10001 }'), GRAMMAR),
        (grammar('root ::= "a"{1,' + "9" * 5000 + "}"), GRAMMAR),
        (grammar('root ::= "' + "é" * 131_073 + '"'), GRAMMAR),
        (schema('{"not":' * 65 + "{}" + "}" * 65), SCHEMA),
        (schema("[" * 100_000), SCHEMA),
        (schema('"' + " " * 131_072), SCHEMA),
        (Run(sampling=Sampling(stop=("x",) * 65)), "options.sampling.stop"),
        (Run(sampling=Sampling(stop=("a", "x" * 1025))), "options.sampling.stop[1]"),
        (Run(sampling=Sampling(logit_bias=((1, 1.0),) * 1025)), "options.sampling.logit_bias"),
        (Run(Sampling(stop_token_ids=(1,) * 65)), "options.sampling.stop_token_ids"),
        (
            Run(Sampling(dry_sequence_breakers=(":",) * 65)),
            "options.sampling.dry_sequence_breakers",
        ),
        (
            Run(Sampling(dry_sequence_breakers=("x" * 41,))),
            "options.sampling.dry_sequence_breakers[0]",
        ),
        (Run(Sampling(regex="")), "options.sampling.regex"),
        (Run(Sampling(regex="a(?=b)")), "options.sampling.regex"),
        (Run(Sampling(regex="(a{100}){100}")), "options.sampling.regex"),
        (Run(Sampling(choices=("a", "b", "a"))), "options.sampling.choices[2]"),
        (Run(Sampling(choices=("a", ""))), "options.sampling.choices[1]"),
        (Run(Sampling(choices=("a\0",))), "options.sampling.choices[0]"),
        (Run(Sampling(choices=("x" * 1025,))), "options.sampling.choices[0]"),
        (Run(Sampling(choices=tuple(map(str, range(257))))), "options.sampling.choices"),
        (Run(Sampling(ignore_eos=True, choices=("a",))), "options.sampling.ignore_eos"),
        (
            Run(Sampling(ignore_eos=True), tools=(Tool("f", "", ""),), tool_choice="f"),
            "options.sampling.ignore_eos",
        ),
        (grammar("root ::= r0\n" + "r0 ::= r1 | r1\n" + _DOUBLING), GRAMMAR),
        (Run(messages=(Message("user", "a"),) * 4097), "messages"),
        (Run(tools=(Tool("f", "", "{}"),) * 257), "tools"),
        (Run(tools=(Tool("f", "", "{}"), Tool("g", "", "[" * 65))), "tools[1].parameters_json"),
        (calling('{"a":' * 65), "messages[1].tool_calls[0].arguments_json"),
        (calling('"\ud800' + "x" * 262_144), "messages[1].tool_calls[0].arguments_json"),
    ],
)
def test_too_much_is_refused_by_its_field(run: Run, field: str) -> None:
    """INVALID_FIELD with the path as in the proto."""
    with pytest.raises(InvalidInputError) as caught:
        bounds.check(run)

    assert caught.value.reason is Reason.INVALID_FIELD
    assert [one.field for one in caught.value.violations] == [field]


@pytest.mark.parametrize(
    "run",
    [
        grammar("root ::= " + "(" * 64 + '"a"' + ")" * 64),
        grammar('root ::= "' + "(" * 1000 + '" [(((]' * 30 + " # " + "(" * 100),
        grammar('root ::= "a"{1,10000} "{1,1000000}"'),
        grammar('root ::= "a"{0000000001}'),
        grammar("\n".join(f'r{at} ::= "a"? "b"*' for at in range(4000))),
        schema('{"not":' * 63 + '{"a": "' + "[" * 1000 + '\\"["}' + "}" * 63),
        calling("[" * 64 + "]" * 64),
        Run(Sampling(choices=("yes", "yes please", "🎉"))),
        Run(Sampling(regex=".{0,1000}")),
        Run(Sampling(ignore_eos=True, choices=("a",), of_model=("ignore_eos",))),
        Run(sampling=Sampling(stop=("x" * 1024,) * 64), tools=(Tool("f", "", ""),) * 256),
    ],
)
def test_what_an_engine_bears_passes(run: Run) -> None:
    """Text in quotes, classes and comments is no nesting; the bounds themselves are allowed."""
    bounds.check(run)


def test_ten_violations_are_told() -> None:
    """A thousand bad stops make no error of a thousand lines."""
    with pytest.raises(InvalidInputError) as caught:
        bounds.check(Run(sampling=Sampling(stop=("x" * 2000,) * 64)))
    assert len(caught.value.violations) == bounds.MAX_VIOLATIONS


@pytest.mark.parametrize(
    "make",
    [
        lambda size: grammar('"' * size),
        lambda size: grammar("[" * size),
        lambda size: grammar("{" * size),
        lambda size: grammar("{ " * (size // 2)),
        lambda size: grammar("\\" * size),
        lambda size: grammar('"\\' * (size // 2)),
        lambda size: grammar("::=" * (size // 3)),
        lambda size: grammar("{1,2}" * (size // 5)),
    ],
)
def test_a_grammar_is_judged_in_linear_time(make: Callable[[int], Run]) -> None:
    """Whatever is repeated in it."""
    assert_linear(make, lambda run: list(bounds.judge(run)), most=gbnf.MAX_GRAMMAR_BYTES)


@pytest.mark.parametrize("piece", ['"', "\\", '"\\', "{", '"":'])
def test_a_schema_is_judged_in_linear_time(piece: str) -> None:
    """Whatever is repeated in it."""
    assert_linear(
        lambda size: schema(piece * (size // len(piece))),
        lambda run: list(bounds.judge(run)),
        most=bounds.MAX_SCHEMA_BYTES,
    )
