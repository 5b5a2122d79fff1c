"""Calls written as JSON: objects with a name and arguments, or arguments behind a written name."""

from __future__ import annotations

import json
from collections.abc import Generator

from rkd.backend.text.calls.sink import ID_LENGTH, Sink
from rkd.backend.text.calls.tape import MOST_NAME, NoCallError, Reading, Tape

_NAMES = frozenset({"name", "tool_name"})
_ARGUMENTS = frozenset({"arguments", "parameters"})
_IDS = frozenset({"id", "tool_call_id"})
_OF_CALLS = _NAMES | _ARGUMENTS | _IDS | {"type"}


def json_calls(
    tape: Tape,
    sink: Sink,
    *,
    closes: tuple[str, ...] = (),
    keyed: bool = False,
    bare: bool = False,
) -> Reading:
    """
    Read one call or a list of them, `{"name": …, "arguments": {…}}`.

    Args:
        tape: from where.
        sink: to where.
        closes: what ends the block, where something does; a model may leave it out.
        keyed: a call is `{"name": {arguments}}`.
        bare: nothing marks the block: a call needs arguments, and several have `;` between.
    """
    first = yield from tape.solid()
    if first == "{":
        yield from _call(tape, sink, keyed=keyed, bare=bare)
        while bare and (yield from tape.has(";")):
            yield from tape.need("{")
            yield from _call(tape, sink, keyed=keyed, bare=bare)
    elif first == "[":
        following = ","
        while following == ",":
            yield from tape.need("{")
            yield from _call(tape, sink, keyed=keyed, bare=bare)
            following = yield from tape.solid()
        if following != "]":
            raise NoCallError
    else:
        raise NoCallError
    if closes:
        yield from tape.has(*closes)


def _call(tape: Tape, sink: Sink, *, keyed: bool, bare: bool) -> Reading:
    """Read one call behind its opening brace."""
    name = ""
    given: str | None = None
    streamed = False
    char = yield from tape.solid()
    while char != "}":
        key = yield from _key(tape, char)
        if keyed and not name:
            name, key = sink.check(key), "arguments"
        if bare and key not in _OF_CALLS:
            raise NoCallError
        first = yield from tape.peek()
        if key in _ARGUMENTS and name and first == "{" and given is None:
            sink.start(name)
            yield from tape.json(sink.arguments)
            given, streamed = "", True
        else:
            value = yield from tape.collected()
            name = sink.check(_text(value)) if key in _NAMES else name
            given = value if key in _ARGUMENTS and given is None else given
        char = yield from _next_member(tape)
    if streamed:
        sink.end(tape)
        return
    if not name or (bare and given is None):
        raise NoCallError
    sink.call(tape, name, _unquoted(given or ""))


def _next_member(tape: Tape) -> Generator[None, None, str]:
    """What begins the next member behind its comma, or the closing brace."""
    char = yield from tape.solid()
    if char == ",":
        return (yield from tape.solid())
    if char != "}":
        raise NoCallError
    return char


def _key(tape: Tape, char: str) -> Generator[None, None, str]:
    if char != '"':
        raise NoCallError
    text, _ = yield from tape.until('"', most=MOST_NAME)
    yield from tape.need(":")
    return text


def _text(value: str) -> str:
    try:
        parsed = json.loads(value)
    except ValueError as error:
        raise NoCallError from error
    if not isinstance(parsed, str):
        raise NoCallError
    return parsed


def _unquoted(given: str) -> str:
    """Arguments that were written as a string of JSON, as that JSON."""
    return (_text(given) or "{}") if given.startswith('"') else given


def named(tape: Tape, sink: Sink, name: str, ident: str = "") -> Reading:
    """Read the arguments of *name*, a JSON object."""
    name = sink.check(name)
    if (yield from tape.peek()) != "{":
        raise NoCallError
    sink.start(name, ident)
    yield from tape.json(sink.arguments)
    sink.end(tape)


def mistral(tape: Tape, sink: Sink) -> Reading:
    """Read what follows `[TOOL_CALLS]`: a list (to v7), or a name, perhaps an id, and `[ARGS]`."""
    if (yield from tape.peek()) in "[{":
        yield from json_calls(tape, sink)
        return
    following = "[TOOL_CALLS]"
    while following:
        head, _ = yield from tape.until("[ARGS]", most=MOST_NAME)
        name, _, ident = head.partition("[CALL_ID]")
        ident = ident.strip()
        own = ident if ident.isalnum() and len(ident) == ID_LENGTH else ""
        yield from named(tape, sink, name, own)
        following = yield from tape.has("[TOOL_CALLS]")


BEGIN, SEPARATOR, END = "<｜tool▁call▁begin｜>", "<｜tool▁sep｜>", "<｜tool▁call▁end｜>"
ALL_BEGIN, ALL_END = "<｜tool▁calls▁begin｜>", "<｜tool▁calls▁end｜>"


def deepseek(tape: Tape, sink: Sink) -> Reading:
    """Read DeepSeek's calls: `function`, name and a fence (V3, R1), or name and JSON (V3.1)."""
    yield from tape.has(BEGIN)
    following = BEGIN
    while following == BEGIN:
        name, _ = yield from tape.until(SEPARATOR, most=MOST_NAME)
        if name.strip() == "function" and not sink.offers("function"):
            name, _ = yield from tape.until("\n", most=MOST_NAME)
            yield from tape.has("```json")
        yield from named(tape, sink, name)
        yield from tape.has("```")
        yield from tape.has(END)
        following = yield from tape.has(BEGIN, ALL_END)


KIMI_BEGIN, KIMI_END = "<|tool_call_begin|>", "<|tool_call_end|>"
KIMI_ALL_END, KIMI_ARGUMENTS = "<|tool_calls_section_end|>", "<|tool_call_argument_begin|>"


def kimi(tape: Tape, sink: Sink) -> Reading:
    """Read Kimi's calls, `functions.name:0`; that is also the id, which it wants back as it is."""
    yield from tape.has(KIMI_BEGIN)
    following = KIMI_BEGIN
    while following == KIMI_BEGIN:
        head, _ = yield from tape.until(KIMI_ARGUMENTS, most=MOST_NAME)
        ident = head.strip()
        name = ident.rpartition(":")[0] or ident
        yield from named(tape, sink, name.removeprefix("functions."), ident)
        yield from tape.has(KIMI_END)
        following = yield from tape.has(KIMI_BEGIN, KIMI_ALL_END)


def functionary(tape: Tape, sink: Sink) -> Reading:
    """Read Functionary 3.1: `<function=name>{…}</function>`."""
    name, _ = yield from tape.until(">", most=MOST_NAME)
    yield from named(tape, sink, name)
    yield from tape.has("</function>")


def functionary_recipient(tape: Tape, sink: Sink) -> Reading:
    """Read Functionary 3.2 behind `>>>`: a recipient's line; `all` is people, and text follows."""
    name, _ = yield from tape.until("\n", most=MOST_NAME)
    if name.strip() != "all":
        yield from named(tape, sink, name)
    tape.mark()


PYTHON = "code_interpreter"


def llama(tape: Tape, sink: Sink) -> Reading:
    """Read what follows `<|python_tag|>`: JSON, `name.call(k="v")`, or code for an interpreter."""
    from rkd.backend.text.calls.pythonic import keywords  # noqa: PLC0415 - it reads JSON's strings

    if (yield from tape.peek()) == "{":
        yield from json_calls(tape, sink, bare=True)
        return
    parts: list[str] = []
    mark = yield from tape.stream((".call(",), parts.append)
    if mark:
        yield from keywords(tape, sink, "".join(parts))
        return
    sink.call(tape, PYTHON, {"code": "".join(parts)})
