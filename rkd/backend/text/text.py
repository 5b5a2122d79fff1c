"""
Text on its way out of an engine: whole characters, no stop sequence, reasoning and calls apart.

Three small machines, each fed piece by piece and indifferent to where the pieces were cut: the
same text gives the same answer however it arrives. No I/O; one run owns one of each.
"""

from __future__ import annotations

import codecs
import enum
import json
import uuid
from collections.abc import Callable, Iterable
from typing import NamedTuple

from rkd.inference import ToolCallDelta

THINK_OPEN = "<think>"
THINK_CLOSE = "</think>"
CALL_OPEN = "<tool_call>"
CALL_CLOSE = "</tool_call>"
_BLANK = " \t\r\n"


class Utf8Assembler:
    """Bytes in, whole characters out; what is no UTF-8 becomes U+FFFD."""

    def __init__(self) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")

    def feed(self, data: bytes) -> str:
        """Take *data* and return the characters it completes."""
        return self._decoder.decode(data)

    def flush(self) -> str:
        """End the text: U+FFFD for a character that never became whole, else nothing."""
        return self._decoder.decode(b"", final=True)


class StopCutter:
    """
    Cuts an answer before the first stop sequence that is complete.

    Of several the one that *ends* first wins, and of those that end together the longest: so a
    run can be stopped at the token that completes it. Held back is only what may still become a
    stop sequence.

    Args:
        stops: the sequences; empty ones are ignored.
    """

    def __init__(self, stops: Iterable[str]) -> None:
        self._stops = tuple(sorted({stop for stop in stops if stop}, key=len, reverse=True))
        # Longest first, so that the first hit of the loop in `_kept` is the longest.
        self._prefixes = tuple(
            sorted(
                {stop[:end] for stop in self._stops for end in range(1, len(stop))},
                key=len,
                reverse=True,
            )
        )
        self._held = ""
        self.matched: str | None = None

    def feed(self, text: str) -> tuple[str, str | None]:
        """
        Take *text*; return what may be emitted now, and the stop sequence once one is complete.

        After a match nothing is emitted any more.
        """
        if not self._stops:
            return text, None
        if self.matched is not None:
            return "", self.matched
        held = self._held + text
        found = [(at + len(stop), at, stop) for stop in self._stops if (at := held.find(stop)) >= 0]
        if found:
            _, at, self.matched = min(found)
            self._held = ""
            return held[:at], self.matched
        cut = len(held) - self._kept(held)
        self._held = held[cut:]
        return held[:cut], None

    def flush(self) -> str:
        """End the text: return what was held back and never became a stop sequence."""
        held, self._held = self._held, ""
        return held

    def _kept(self, held: str) -> int:
        """How many characters at the end of *held* may still become a stop sequence."""
        if not held.endswith(self._prefixes):
            return 0
        return next(len(prefix) for prefix in self._prefixes if held.endswith(prefix))


class Split(NamedTuple):
    """What one piece of an answer turned out to be."""

    text: str = ""
    reasoning: str = ""
    tool_calls: tuple[ToolCallDelta, ...] = ()


class _Place(enum.Enum):
    """Where in the answer we stand."""

    START = enum.auto()
    REASONING_START = enum.auto()
    REASONING = enum.auto()
    TEXT_START = enum.auto()
    TEXT = enum.auto()
    CALL = enum.auto()


def opens_thinking(prompt: str) -> bool:
    """Say whether *prompt* ends inside a reasoning block its template has opened."""
    return prompt.rstrip(_BLANK).endswith(THINK_OPEN)


def new_call_id() -> str:
    """Make an id for a tool call, unique without coordination."""
    return f"call_{uuid.uuid4().hex[:24]}"


class AnswerSplitter:
    """
    Separates reasoning and tool calls from the text people see.

    Reasoning is a `<think>…</think>` block at the very start of the answer, or everything up to
    `</think>` when the template opened the block; a tag further on is text like any other. A tool
    call is `<tool_call>{json}</tool_call>` in the text after it, and comes out whole, in one
    delta; what stands between the tags and is no call comes out as the text it is. Blanks around
    either block are dropped.

    Args:
        thinking_open: the prompt ends inside a reasoning block (`opens_thinking`).
        reasoning: look for reasoning at all.
        tools: look for tool calls.
        call_id: makes the id of a call.
    """

    def __init__(
        self,
        *,
        thinking_open: bool = False,
        reasoning: bool = True,
        tools: bool = False,
        call_id: Callable[[], str] = new_call_id,
    ) -> None:
        first = _Place.REASONING_START if thinking_open else _Place.START
        self._place = first if reasoning else _Place.TEXT
        self._tools = tools
        self._call_id = call_id
        self._held = ""
        self._gap = ""
        self.calls = 0
        """How many tool calls have come out."""

    @property
    def in_reasoning(self) -> bool:
        """Whether what comes next continues the reasoning."""
        return self._place in {_Place.REASONING_START, _Place.REASONING}

    def feed(self, text: str) -> Split:
        """Take *text* and return what is certain by now."""
        if self._place is _Place.TEXT and not self._tools:
            return Split(text)
        self._held += text
        texts: list[str] = []
        reasonings: list[str] = []
        calls: list[ToolCallDelta] = []
        while self._step(texts, reasonings, calls):
            pass
        return Split("".join(texts), "".join(reasonings), tuple(calls))

    def flush(self) -> Split:
        """End the answer: return what was held back, as what it turned out to be."""
        held, self._held = self._held, ""
        match self._place:
            case _Place.START | _Place.TEXT:
                return Split(held)
            case _Place.REASONING:
                return Split("", held)
            case _Place.REASONING_START:
                return Split("", held.lstrip(_BLANK))
            case _Place.TEXT_START:
                return Split()
            case _Place.CALL:
                calls = self._calls(held)
                return Split("" if calls else self._gap + CALL_OPEN + held, "", calls)

    def _step(self, texts: list[str], reasonings: list[str], calls: list[ToolCallDelta]) -> bool:
        """Move one place on; False when more text is needed."""
        match self._place:
            case _Place.START | _Place.REASONING_START:
                return self._skip_open_tag()
            case _Place.REASONING:
                closed = self._until(THINK_CLOSE, reasonings)
                if closed:
                    self._place = _Place.TEXT_START
                return closed
            case _Place.TEXT_START:
                self._held = self._held.lstrip(_BLANK)
                if self._held:
                    self._place = _Place.TEXT
                return bool(self._held)
            case _Place.TEXT:
                return self._text(texts)
            case _Place.CALL:
                return self._call(texts, calls)

    def _skip_open_tag(self) -> bool:
        """Pass the tag and the blanks around it; a model may repeat one its template opened."""
        stripped = self._held.lstrip(_BLANK)
        if stripped.startswith(THINK_OPEN):
            self._held = stripped.removeprefix(THINK_OPEN)
            self._place = _Place.REASONING_START
            return True
        if THINK_OPEN.startswith(stripped):
            return False
        if self._place is _Place.START:
            self._place = _Place.TEXT
        else:
            self._held = stripped
            self._place = _Place.REASONING
        return True

    def _text(self, texts: list[str]) -> bool:
        if not self._tools:
            texts.append(self._held)
            self._held = ""
            return False
        opened = self._until(CALL_OPEN, texts)
        if opened:
            self._place = _Place.CALL
        return opened

    def _call(self, texts: list[str], calls: list[ToolCallDelta]) -> bool:
        body, close, rest = self._held.partition(CALL_CLOSE)
        if not close:
            return False
        found = self._calls(body)
        if found:
            calls.extend(found)
            self._place = _Place.TEXT_START
        else:
            texts.append(self._gap + CALL_OPEN + body + CALL_CLOSE)
            self._place = _Place.TEXT
        self._held = rest
        return True

    def _until(self, tag: str, out: list[str]) -> bool:
        """Move what stands before *tag* to *out*; blanks and a beginning of the tag wait."""
        at = self._held.find(tag)
        if at >= 0:
            before = self._held[:at]
            kept = before.rstrip(_BLANK)
            self._gap = before[len(kept) :]
            out.append(kept)
            self._held = self._held[at + len(tag) :]
            return True
        end = len(self._held)
        for length in range(min(len(tag) - 1, end), 0, -1):
            if self._held.endswith(tag[:length]):
                end -= length
                break
        sure = self._held[:end].rstrip(_BLANK)
        out.append(sure)
        self._held = self._held[len(sure) :]
        return False

    def _calls(self, body: str) -> tuple[ToolCallDelta, ...]:
        """The calls written in *body*, one object or a list of them; none when it is no call."""
        try:
            parsed = json.loads(body)
        except (ValueError, RecursionError):
            return ()
        deltas: list[ToolCallDelta] = []
        for item in parsed if isinstance(parsed, list) else [parsed]:
            if not isinstance(item, dict) or not isinstance(item.get("name"), str):
                return ()
            given = item.get("arguments", item.get("parameters", {}))
            text = given if isinstance(given, str) else json.dumps(given, ensure_ascii=False)
            deltas.append(
                ToolCallDelta(self.calls + len(deltas), self._call_id(), item["name"], text)
            )
        self.calls += len(deltas)
        return tuple(deltas)
