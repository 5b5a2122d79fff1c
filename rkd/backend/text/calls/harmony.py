"""The channels of gpt-oss: a whole answer is messages, each with a header that says what it is."""

from __future__ import annotations

import re
from collections.abc import Generator

from rkd.backend.text.calls.jsons import named
from rkd.backend.text.calls.sink import Sink
from rkd.backend.text.calls.tape import CutError, NoCallError, Reading, Tape

CHANNEL, MESSAGE, START, END = "<|channel|>", "<|message|>", "<|start|>", "<|end|>"
_STOPS = (END, "<|call|>", "<|return|>")
_ENDS = (*_STOPS, START, CHANNEL)
_RECIPIENT = re.compile(r"to=(?:functions\.)?([A-Za-z0-9_.-]+)")


def harmony(tape: Tape, sink: Sink) -> Reading:
    """
    Read a whole answer: analysis is reasoning, what has a recipient is a call, the rest is text.

    Headers that are not as they should be (some 4 % of turns) are read for what they do say; an
    answer without any is text.
    """
    mark = yield from tape.has(CHANNEL, START, "to=")
    while True:
        tape.mark()
        if mark in {CHANNEL, START, "to="}:
            parts = [mark]
            mark = yield from tape.stream((MESSAGE, *_STOPS), parts.append)
            if mark == MESSAGE:
                mark = yield from _body(tape, sink, "".join(parts))
        else:
            mark = yield from tape.stream(_ENDS, sink.text)
        if not mark:
            return
        if mark in _STOPS:
            mark = yield from tape.has(CHANNEL, START)


def _body(tape: Tape, sink: Sink, header: str) -> Generator[None, None, str]:
    """Read what follows *header*, up to the mark that ends it."""
    recipient = _RECIPIENT.search(header)
    if recipient:
        tape.mark()
        try:
            yield from named(tape, sink, recipient[1])
        except CutError:
            raise
        except NoCallError:
            if not sink.begun:
                sink.text(header + MESSAGE + tape.read)
            sink.broken()
            return (yield from tape.stream(_ENDS, sink.text))
        return (yield from tape.stream(_ENDS, lambda _text: None))
    if header.rpartition(CHANNEL)[2].strip().startswith("analysis"):
        sink.in_reasoning = True
        mark = yield from tape.stream(_ENDS, sink.reasoning)
        sink.in_reasoning = False
        return mark
    return (yield from tape.stream(_ENDS, sink.text))
