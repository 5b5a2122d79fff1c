"""Calls with an argument between two tags each: Qwen3-Coder, GLM, MiniMax, DeepSeek's DSML."""

from __future__ import annotations

import json
from collections.abc import Mapping

from rkd.backend.text.calls.jsons import json_calls
from rkd.backend.text.calls.pythonic import literal
from rkd.backend.text.calls.sink import Sink
from rkd.backend.text.calls.tape import MOST_NAME, NoCallError, Reading, Tape

MOST_BRANCHES = 4
"""How deep the branches of a schema are looked into."""
_PYTHON_WORDS = {"True": True, "False": False, "None": None}


def functions(tape: Tape, sink: Sink, *, opener: str, closes: tuple[str, ...]) -> Reading:
    """
    Read `<function=name><parameter=key>value</parameter></function>`, several of them.

    What stands there may also be JSON: some of these models fall back to it.
    """
    if opener != "<function=":
        if (yield from tape.peek()) in "{[":
            yield from json_calls(tape, sink, closes=closes)
            return
        yield from tape.need("<function=")
    following = "<function="
    while following == "<function=":
        name, _ = yield from tape.until(">", most=MOST_NAME)
        name = sink.check(name)
        arguments: dict[str, object] = {}
        while (yield from tape.need("<parameter=", "</function>")) == "<parameter=":
            key, _ = yield from tape.until(">", most=MOST_NAME)
            text, _ = yield from tape.until("</parameter>")
            arguments[key.strip()] = typed(text, sink.schema(name, key.strip()))
        sink.call(tape, name, arguments)
        following = yield from tape.has(*closes, "<function=")


def glm(tape: Tape, sink: Sink, *, close: str) -> Reading:
    """Read `name<arg_key>k</arg_key><arg_value>v</arg_value>`, or JSON in its place."""
    if (yield from tape.peek()) in "{[":
        yield from json_calls(tape, sink, closes=(close,))
        return
    name, mark = yield from tape.until("<arg_key>", close, "\n", most=MOST_NAME)
    name = sink.check(name)
    if mark == "\n":
        mark = yield from tape.need("<arg_key>", close)
    arguments: dict[str, object] = {}
    while mark == "<arg_key>":
        key, _ = yield from tape.until("</arg_key>", most=MOST_NAME)
        yield from tape.need("<arg_value>")
        text, _ = yield from tape.until("</arg_value>")
        arguments[key.strip()] = typed(text, sink.schema(name, key.strip()))
        mark = yield from tape.need("<arg_key>", close)
    sink.call(tape, name, arguments)


def invokes(tape: Tape, sink: Sink, *, prefix: str, closes: tuple[str, ...]) -> Reading:
    """
    Read `<invoke name="f"><parameter name="k">v</parameter></invoke>`, several of them.

    Args:
        tape: from where.
        sink: to where.
        prefix: stands before each tag's name (DSML).
        closes: what ends the block.
    """
    begin, end = f'<{prefix}invoke name="', f"</{prefix}invoke>"
    parameter, closing = f'<{prefix}parameter name="', f"</{prefix}parameter>"
    yield from tape.need(begin)
    following = begin
    while following == begin:
        name, _ = yield from tape.until('"', most=MOST_NAME)
        yield from tape.need(">")
        name = sink.check(name)
        arguments: dict[str, object] = {}
        while (yield from tape.need(parameter, end)) == parameter:
            key, _ = yield from tape.until('"', most=MOST_NAME)
            hint, _ = yield from tape.until(">", most=MOST_NAME)
            text, _ = yield from tape.until(closing)
            if 'string="true"' in hint:
                arguments[key] = text
            elif 'string="false"' in hint:
                arguments[key] = typed(text, {"type": "object"})
            else:
                arguments[key] = typed(text, sink.schema(name, key))
        sink.call(tape, name, arguments)
        following = yield from tape.has(*closes, begin)


def typed(text: str, schema: Mapping[str, object]) -> object:
    """
    What *text* between tags stands for, by the *schema* of its parameter.

    A parameter that may be a string is one, to the letter but for one newline on each side; only
    `null`, where the schema allows that too, is not.
    """
    text = text.removeprefix("\n").removesuffix("\n")
    kinds = kinds_of(schema)
    if "string" in kinds:
        return None if "null" in kinds and text.strip() == "null" else text
    if text.strip() in _PYTHON_WORDS:
        return _PYTHON_WORDS[text.strip()]
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return _literal(text)


def _literal(text: str) -> object:
    """*text* as Python writes a list or dictionary, else as it is."""
    if not text.lstrip().startswith(("{", "[")):
        return text
    try:
        return literal(text)
    except NoCallError:
        return text


def kinds_of(schema: Mapping[str, object], depth: int = 0) -> frozenset[str]:
    """The JSON types *schema* allows as far as it says so itself."""
    kinds: set[str] = set()
    kind = schema.get("type")
    kinds.update([kind] if isinstance(kind, str) else kind if isinstance(kind, list) else [])
    values = schema.get("enum")
    if not kinds and isinstance(values, list) and any(isinstance(one, str) for one in values):
        kinds.add("string")
    if not kinds and isinstance(schema.get("const"), str):
        kinds.add("string")
    for word in ("anyOf", "oneOf", "allOf"):
        branches = schema.get(word)
        for branch in branches if isinstance(branches, list) and depth < MOST_BRANCHES else []:
            if isinstance(branch, dict):
                kinds |= kinds_of(branch, depth + 1)
    return frozenset(kinds)
