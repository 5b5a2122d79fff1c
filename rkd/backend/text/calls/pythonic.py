"""Calls written as Python or as Gemma's own objects: `[f(a='x', n=3)]`, `call:f{a:<|"|>x<|"|>}`."""

from __future__ import annotations

import json
import re
from collections.abc import Generator

from rkd.backend.text.calls.sink import Sink
from rkd.backend.text.calls.tape import (
    MOST_DEPTH,
    MOST_NAME,
    NoCallError,
    Reading,
    Tape,
)

_WORD = re.compile(r"[A-Za-z0-9_.+\-]+")
_WORDS = {
    "true": True,
    "True": True,
    "false": False,
    "False": False,
    "null": None,
    "None": None,
}
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "\n": "", "b": "\b", "f": "\f"}

Value = Generator[None, None, object]


def pythonic(tape: Tape, sink: Sink, *, closes: tuple[str, ...] = ()) -> Reading:
    """Read `[f(a=1), g()]`, a list of calls with keywords only, and what *closes* it."""
    yield from tape.need("[")
    following = ","
    while following == ",":
        name, _ = yield from tape.until("(", most=MOST_NAME)
        yield from keywords(tape, sink, name)
        following = yield from tape.solid()
    if following != "]":
        raise NoCallError
    if closes:
        yield from tape.has(*closes)


def keywords(tape: Tape, sink: Sink, name: str) -> Reading:
    """Read `k=value, …)` behind the opening bracket: one call of *name*."""
    name = sink.check(name)
    arguments: dict[str, object] = {}
    while not (yield from tape.has(")")):
        key, _ = yield from tape.until("=", most=MOST_NAME)
        arguments[key.strip()] = yield from _value(tape, "", 0)
        if not (yield from tape.has(",")):
            yield from tape.need(")")
            break
    sink.call(tape, name, arguments)


def gemma(tape: Tape, sink: Sink, *, quote: str, opener: str, close: str) -> Reading:
    """Read `name{key:value,…}` behind *opener*, strings between two *quote*, up to *close*."""
    following = opener
    while following:
        name, _ = yield from tape.until("{", most=MOST_NAME)
        arguments = yield from _members(tape, quote, 0)
        sink.call(tape, name, arguments)
        yield from tape.has(close)
        following = yield from tape.has(opener)


def literal(text: str) -> object:
    """
    Read *text* as a Python literal: a template that writes a value as it is makes one of it.

    Raises:
        NoCallError: it is none, or does not end with it.
    """
    tape, found = Tape(), list[object]()

    def read() -> Reading:
        found.append((yield from _value(tape, "", 0)))

    tape.feed(text)
    tape.end()
    for _ in read():
        pass
    if tape.rest().strip():
        raise NoCallError
    return found[0]


def _value(tape: Tape, quote: str, depth: int) -> Value:
    if depth > MOST_DEPTH:
        raise NoCallError
    if quote and (yield from tape.has(quote)):
        text, _ = yield from tape.until(quote)
        return text
    char = yield from tape.peek()
    if char in "'\"":
        yield from tape.solid()
        return (yield from _string(tape, char))
    if char == "{":
        yield from tape.solid()
        return (yield from _members(tape, quote, depth + 1))
    if char in "[(":
        yield from tape.solid()
        return (yield from _items(tape, quote, depth + 1))
    word = yield from tape.word(_WORD)
    if word in _WORDS:
        return _WORDS[word]
    try:
        number = json.loads(word.removeprefix("+"))
    except ValueError as error:
        raise NoCallError from error
    return number if isinstance(number, int | float) else word


def _members(tape: Tape, quote: str, depth: int) -> Generator[None, None, dict[str, object]]:
    """The members of an object behind its brace; keys bare (with *quote*) or strings."""
    members: dict[str, object] = {}
    while not (yield from tape.has("}")):
        if quote and not (yield from tape.has(quote)):
            key, _ = yield from tape.until(":", most=MOST_NAME)
            key = key.strip().strip('"')
        elif quote:
            key, _ = yield from tape.until(quote)
            yield from tape.need(":")
        else:
            mark = yield from tape.need("'", '"')
            key = yield from _string(tape, mark)
            yield from tape.need(":")
        members[key] = yield from _value(tape, quote, depth)
        if not (yield from tape.has(",")):
            yield from tape.need("}")
            break
    return members


def _items(tape: Tape, quote: str, depth: int) -> Generator[None, None, list[object]]:
    items: list[object] = []
    while not (yield from tape.has("]", ")")):
        items.append((yield from _value(tape, quote, depth)))
        if not (yield from tape.has(",")):
            yield from tape.need("]", ")")
            break
    return items


def _string(tape: Tape, mark: str) -> Generator[None, None, str]:
    """The rest of a string that *mark* closes; newlines may stand in it as they are."""
    parts: list[str] = []
    paired = False
    while True:
        text, found = yield from tape.until(mark, "\\")
        parts.append(text)
        if found == mark:
            whole = "".join(parts)
            # Two escapes make one character beyond the first plane; a half alone is none.
            return (
                whole.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
                if paired
                else whole
            )
        char = yield from tape.next()
        if char == "u":
            code = ""
            for _ in range(4):
                code += yield from tape.next()
            try:
                char = chr(int(code, 16))
            except ValueError as error:
                raise NoCallError from error
            parts.append(char)
            paired = paired or "\ud800" <= char <= "\udfff"
        else:
            parts.append(_ESCAPES.get(char, char if char in "'\"\\/" else "\\" + char))


def _joined(text: str) -> str:
    """*text* with the two escapes of a character beyond the first plane as it; a half is none."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
