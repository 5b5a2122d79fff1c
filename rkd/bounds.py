"""
What of a request reaches an engine, judged before it does: sizes, counts and depths; pure.

Engines are native code: what is too deep ends them (llama.cpp's grammar parser recurses: 100,000
`(` are a SIGSEGV), what is too much keeps them busy past every cancel. Ranges of single numbers
are not judged here.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import islice

from rkd.errors import Violation, bad_field, bad_fields
from rkd.grammar import gbnf
from rkd.grammar.automaton import automaton_of
from rkd.grammar.regex import PatternError
from rkd.inference import Run, Sampling
from rkd.modelfile.sampling import MAX_STOP_BYTES, MAX_STOPS

MAX_DEPTH = 64
"""Of brackets in JSON."""
MAX_SCHEMA_BYTES = 128 * 1024
"""Measured: an object with 5,000 properties (140 kB) takes 4 s before its first token."""
MAX_BIASES = 1024
MAX_CHOICES = 256
MAX_CHOICE_BYTES = 1024
MAX_BREAKER_BYTES = 40
"""The engine cuts a sequence breaker there, in silence. **Source**: `server-schema.cpp`, b11549."""
MAX_MESSAGES = 4096
MAX_TOOLS = 256
MAX_ARGUMENTS_BYTES = 256 * 1024
"""Of one tool's parameters, and of one call's arguments."""
MAX_VIOLATIONS = 10

_SAMPLING = "options.sampling"
_JSON_OPAQUE = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"?', re.DOTALL)


def check(run: Run) -> None:
    """
    Refuse *run* when it holds more than an engine can bear.

    Raises:
        InvalidInputError: INVALID_FIELD, the first ten fields with what is allowed.
    """
    if found := list(islice(judge(run), MAX_VIOLATIONS)):
        raise bad_fields(found)


def check_inputs(inputs: Sequence[str]) -> None:
    """
    Refuse an empty text to embed: no engine makes a vector of nothing.

    Raises:
        InvalidInputError: INVALID_FIELD, naming the first one.
    """
    if "" in inputs:
        raise bad_field(f"inputs[{inputs.index('')}]", "should not be empty")


def check_token_ids(
    token_ids: Sequence[int], vocabulary_size: int, field: str = "token_ids"
) -> None:
    """
    Refuse token ids the model does not have; a *vocabulary_size* of 0 is unknown.

    Raises:
        InvalidInputError: INVALID_FIELD, naming the first one.
    """
    for at, token_id in enumerate(token_ids):
        if token_id < 0 or 0 < vocabulary_size <= token_id:
            what = f"should be a token of this model, 0 to {vocabulary_size - 1}, not {token_id}"
            raise bad_field(f"{field}[{at}]", what)


def judge(run: Run) -> Iterator[Violation]:
    """Yield what is too much in *run*, each by its path in the proto; linear in its size."""
    yield from _sampling(run.sampling)
    asks_on = run.sampling.ignore_eos and "ignore_eos" not in run.sampling.of_model
    if asks_on and (run.sampling.constrained or run.tool_choice not in {"", "auto", "none"}):
        yield Violation(f"{_SAMPLING}.ignore_eos", "has no meaning where the answer is constrained")
    yield from _most("messages", len(run.messages), MAX_MESSAGES)
    yield from _most("tools", len(run.tools), MAX_TOOLS)
    for at, tool in enumerate(run.tools[:MAX_TOOLS]):
        yield from _json(f"tools[{at}].parameters_json", tool.parameters_json, MAX_ARGUMENTS_BYTES)
    for at, message in enumerate(run.messages[:MAX_MESSAGES]):
        where = f"messages[{at}].tool_calls"
        yield from _most(where, len(message.tool_calls), MAX_TOOLS)
        for of, call in enumerate(message.tool_calls[:MAX_TOOLS]):
            field = f"{where}[{of}].arguments_json"
            yield from _json(field, call.arguments_json, MAX_ARGUMENTS_BYTES)


def _sampling(sampling: Sampling) -> Iterator[Violation]:
    for what in gbnf.judge(sampling.grammar or ""):
        yield Violation(f"{_SAMPLING}.grammar", what)
    if sampling.json_schema:
        yield from _json(f"{_SAMPLING}.json_schema", sampling.json_schema, MAX_SCHEMA_BYTES)
    yield from _regex(sampling.regex)
    yield from _choices(sampling.choices)
    for name, most_bytes in (
        ("stop", MAX_STOP_BYTES),
        ("dry_sequence_breakers", MAX_BREAKER_BYTES),
    ):
        texts: tuple[str, ...] = getattr(sampling, name)
        yield from _most(f"{_SAMPLING}.{name}", len(texts), MAX_STOPS)
        for at, text in enumerate(texts[:MAX_STOPS]):
            yield from _bytes(f"{_SAMPLING}.{name}[{at}]", text, most_bytes)
    yield from _most(f"{_SAMPLING}.stop_token_ids", len(sampling.stop_token_ids), MAX_STOPS)
    yield from _most(f"{_SAMPLING}.logit_bias", len(sampling.logit_bias), MAX_BIASES)


def _regex(pattern: str | None) -> Iterator[Violation]:
    if pattern is None:
        return
    try:
        if not pattern:
            yield Violation(f"{_SAMPLING}.regex", "should not be empty")
        else:
            automaton_of(pattern)
    except PatternError as error:
        yield Violation(f"{_SAMPLING}.regex", str(error))


def _choices(choices: tuple[str, ...]) -> Iterator[Violation]:
    where = f"{_SAMPLING}.choices"
    yield from _most(where, len(choices), MAX_CHOICES)
    known: dict[str, int] = {}
    for at, choice in enumerate(choices[:MAX_CHOICES]):
        yield from _bytes(f"{where}[{at}]", choice, MAX_CHOICE_BYTES)
        if not choice:
            yield Violation(f"{where}[{at}]", "should not be empty")
        elif "\0" in choice:
            yield Violation(f"{where}[{at}]", "holds NUL, which no answer can")
        elif known.setdefault(choice, at) != at:
            yield Violation(f"{where}[{at}]", f"is the same as {where}[{known[choice]}]")


def _json(field: str, text: str, most_bytes: int) -> Iterator[Violation]:
    if too_long := list(_bytes(field, text, most_bytes)):
        yield from too_long
        return
    yield from _depth(field, _JSON_OPAQUE.sub(" ", text), "[{", "]}")


def _depth(field: str, bare: str, opening: str, closing: str) -> Iterator[Violation]:
    depth = 0
    for character in bare:
        if character in opening:
            depth += 1
            if depth > MAX_DEPTH:
                yield Violation(field, f"should be nested at most {MAX_DEPTH} deep")
                return
        elif character in closing:
            depth -= 1


def _bytes(field: str, text: str, most: int) -> Iterator[Violation]:
    # Not encoded when the characters alone are too many; half a surrogate pair counts three.
    if len(text) > most or len(text.encode("utf-8", "surrogatepass")) > most:
        yield Violation(field, f"should have at most {most} bytes")


def _most(field: str, count: int, most: int) -> Iterator[Violation]:
    if count > most:
        yield Violation(field, f"takes at most {most}, not {count}")
