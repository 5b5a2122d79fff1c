"""Calls with an argument between two tags each: Qwen3-Coder, GLM, MiniMax, DeepSeek's DSML."""

from __future__ import annotations

import json
import re
from collections.abc import Generator

from rkd.backend.text.calls.jsons import json_calls
from rkd.backend.text.calls.pythonic import literal
from rkd.backend.text.calls.sink import Sink
from rkd.backend.text.calls.tape import MOST_NAME, NoCallError, Reading, Tape

MOST_TAGS = 64
"""Closing tags inside the strings of one value."""
_ESCAPED = re.compile(r"\\.", re.DOTALL)
_OTHER = frozenset({"other"})
"""Of a value that is marked as no text, whatever else it is."""
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
            kinds = sink.kinds(name, key.strip())
            arguments[key.strip()] = yield from _value(tape, "</parameter>", kinds)
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
        kinds = sink.kinds(name, key.strip())
        arguments[key.strip()] = yield from _value(tape, "</arg_value>", kinds)
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
            if 'string="true"' in hint:
                arguments[key], _ = yield from tape.until(closing)
            else:
                other = 'string="false"' in hint
                kinds = _OTHER if other else sink.kinds(name, key)
                arguments[key] = yield from _value(tape, closing, kinds)
        sink.call(tape, name, arguments)
        following = yield from tape.has(*closes, begin)


def _value(tape: Tape, closing: str, kinds: frozenset[str]) -> Generator[None, None, object]:
    """
    Read a value up to *closing*; one inside a string of a JSON value is that string's.

    Where no text is allowed, that is: a text goes as far as the first.
    """
    parts: list[str] = []
    inside = False
    for _ in range(MOST_TAGS):
        piece, _mark = yield from tape.until(closing)
        parts.append(piece)
        if not kinds or "string" in kinds or not parts[0].lstrip().startswith(("{", "[")):
            break
        inside ^= bool(_ESCAPED.sub("", piece).count('"') % 2)
        if not inside:
            break
        parts.append(closing)
    return typed("".join(parts), kinds - {"other"})


def typed(text: str, kinds: frozenset[str]) -> object:
    """
    What *text* between tags stands for, by the *kinds* of JSON its parameter may be.

    A parameter that may be a string is one, to the letter but for one newline on each side; only
    `null`, where the schema allows that too, is not.
    """
    text = text.removeprefix("\n").removesuffix("\n")
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
