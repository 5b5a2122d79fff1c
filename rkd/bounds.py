"""
What of a request reaches an engine, judged before it does: sizes, counts and depths; pure.

Engines are native code: what is too deep ends them (llama.cpp's grammar parser recurses: 100,000
`(` are a SIGSEGV), what is too much keeps them busy past every cancel. Ranges of single numbers
are not judged here.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from rkd.errors import InvalidInputError, Reason, Violation, bad_field
from rkd.inference import Run, Sampling

MAX_DEPTH = 64
"""Of brackets, in grammars and in JSON; a grammar made from a large schema has a dozen."""
MAX_GRAMMAR_BYTES = 256 * 1024
MAX_ALTERNATIVES = 10_000
"""Of all rules together. Measured (llama.cpp b11549, x86-64): 16,000 in one rule 0.2 s, 64,000 8 s;
quadratic."""
MAX_OPTIONAL = 500
"""`?` and `*` of one rule. Measured: 300 in a row 0.05 s, 2,000 5 s, 16,000 over a minute."""
MAX_REPEAT = 10_000
MAX_SCHEMA_BYTES = 128 * 1024
"""Measured: an object with 5,000 properties (140 kB) takes 4 s before its first token."""
MAX_STOPS = 64
MAX_STOP_BYTES = 1024
MAX_BIASES = 16_384
MAX_MESSAGES = 4096
MAX_TOOLS = 256
MAX_ARGUMENTS_BYTES = 256 * 1024
"""Of one tool's parameters, and of one call's arguments."""
MAX_VIOLATIONS = 10

_GRAMMAR = "options.sampling.grammar"
_GRAMMAR_OPAQUE = re.compile(
    r'"[^"\\]*(?:\\.[^"\\]*)*"?|\[[^\]\\]*(?:\\.[^\]\\]*)*\]?|#[^\n]*', re.DOTALL
)
"""What stands in quotes or a character class, and comments; one left open reaches to the end."""
_JSON_OPAQUE = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"?', re.DOTALL)
_REPEAT = re.compile(r"\{([\s\d,]*)\}")


def check(run: Run) -> None:
    """
    Refuse *run* when it holds more than an engine can bear.

    Raises:
        InvalidInputError: INVALID_FIELD, the first ten fields with what is allowed.
    """
    found: list[Violation] = []
    for violation in judge(run):
        found.append(violation)
        if len(found) == MAX_VIOLATIONS:
            break
    if found:
        listed = "; ".join(f"{one.field} {one.description}" for one in found)
        raise InvalidInputError(
            Reason.INVALID_FIELD, f"The request is wrong: {listed}.", violations=tuple(found)
        )


def check_inputs(inputs: Sequence[str]) -> None:
    """
    Refuse an empty text to embed: no engine makes a vector of nothing.

    Raises:
        InvalidInputError: INVALID_FIELD, naming the first one.
    """
    if "" in inputs:
        raise bad_field(f"inputs[{inputs.index('')}]", "should not be empty")


def check_token_ids(token_ids: Sequence[int], vocabulary_size: int) -> None:
    """
    Refuse token ids the model does not have; a *vocabulary_size* of 0 is unknown.

    Raises:
        InvalidInputError: INVALID_FIELD, naming the first one.
    """
    for at, token_id in enumerate(token_ids):
        if token_id < 0 or 0 < vocabulary_size <= token_id:
            what = f"should be a token of this model, 0 to {vocabulary_size - 1}, not {token_id}"
            raise bad_field(f"token_ids[{at}]", what)


def judge(run: Run) -> Iterator[Violation]:
    """Yield what is too much in *run*, each by its path in the proto; linear in its size."""
    yield from _sampling(run.sampling)
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
    if sampling.grammar:
        yield from _grammar(sampling.grammar)
    if sampling.json_schema:
        yield from _json("options.sampling.json_schema", sampling.json_schema, MAX_SCHEMA_BYTES)
    yield from _most("options.sampling.stop", len(sampling.stop), MAX_STOPS)
    for at, stop in enumerate(sampling.stop[:MAX_STOPS]):
        yield from _bytes(f"options.sampling.stop[{at}]", stop, MAX_STOP_BYTES)
    yield from _most("options.sampling.logit_bias", len(sampling.logit_bias), MAX_BIASES)


def _grammar(text: str) -> Iterator[Violation]:
    if too_long := list(_bytes(_GRAMMAR, text, MAX_GRAMMAR_BYTES)):
        yield from too_long
        return
    bare = _GRAMMAR_OPAQUE.sub(" ", text)
    yield from _depth(_GRAMMAR, bare, "(", ")")
    if bare.count("|") > MAX_ALTERNATIVES:
        yield Violation(_GRAMMAR, f"should have at most {MAX_ALTERNATIVES} alternatives")
    if any(rule.count("?") + rule.count("*") > MAX_OPTIONAL for rule in bare.split("::=")):
        yield Violation(_GRAMMAR, f"should have at most {MAX_OPTIONAL} of `?` and `*` in one rule")
    counts = (digits for one in _REPEAT.findall(bare) for digits in re.findall(r"\d+", one))
    most = len(str(MAX_REPEAT))
    if any(len(digits.lstrip("0")) > most or int(digits) > MAX_REPEAT for digits in counts):
        yield Violation(_GRAMMAR, f"should repeat nothing more than {MAX_REPEAT} times")


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
