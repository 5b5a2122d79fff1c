"""
Reasoning, tool calls and text of one answer, apart.

Indifferent to where the pieces were cut: the same text gives the same answer however it arrives.
No I/O; one run owns one.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from dataclasses import replace
from typing import NamedTuple

from rkd.backend.text.begun import inside
from rkd.backend.text.calls.jsons import named
from rkd.backend.text.calls.sink import Sink, new_call_id, schemas_of
from rkd.backend.text.calls.table import HERMES, CallFormat, Reader
from rkd.backend.text.calls.tape import BLANK, CutError, NoCallError, Reading, Tape
from rkd.capability.think import THINKS, Think
from rkd.inference import Run
from rkd.tokens import ToolCallDelta

ENDED_IN_REASONING = "the answer ended inside the reasoning: there is no text"
ENDED_IN_CALL = "the answer ended inside a tool call, which is not whole"


class Split(NamedTuple):
    """What one piece of an answer turned out to be."""

    text: str = ""
    reasoning: str = ""
    tool_calls: tuple[ToolCallDelta, ...] = ()


class AnswerSplitter:
    """
    Separates reasoning and tool calls from the text people see.

    Reasoning is a block at the very start of the answer, or everything up to its end when the
    template opened it; a tag further on is text like any other. Blanks around reasoning are
    dropped. A tool call stands in the text after it and comes out as it is made: its name, then
    its arguments in pieces where they are JSON. What begins like a call and is none comes out as
    the text it is; blanks that stand between calls alone are dropped, those beside text are its.

    Args:
        thinking: the reasoning the prompt ends inside, or None.
        thinking_open: the same, for `<think>`.
        reasoning: look for reasoning at all.
        tools: look for tool calls.
        schemas: the tools offered, each with its parameters' schema; None takes any name.
        row: how the model writes calls.
        call_id: makes the id of a call.
        prompt_end: the prompt ends inside a block of calls, as the row has it.
        goes_on: the prompt ends with the beginning of the reasoning, blanks behind it are its own.
    """

    def __init__(
        self,
        *,
        thinking: Think | None = None,
        thinking_open: bool = False,
        reasoning: bool = True,
        tools: bool = False,
        schemas: Mapping[str, Mapping[str, object]] | None = None,
        row: CallFormat = HERMES,
        call_id: Callable[[], str] = new_call_id,
        prompt_end: bool = False,
        goes_on: bool = False,
    ) -> None:
        self._thinking = THINKS[0] if thinking is None and thinking_open else thinking
        self._row = row
        self._tools = tools or bool(schemas)
        self._names_known = schemas is not None
        offered = schemas if tools or schemas else {}
        self._sink = Sink(offered, call_id)
        self._tape = Tape()
        self._plain = False
        self._seen = False
        self._blanks = ""
        self._prompt_end = prompt_end
        self._goes_on = goes_on
        self._ended = False
        self._cut = False
        self._reading = self._answer() if reasoning else self._text()
        self._sink.in_reasoning = reasoning and self._thinking is not None

    @property
    def calls(self) -> int:
        """How many tool calls have come out whole; 0 when the answer ended inside one."""
        return 0 if self._cut else self._sink.whole

    @property
    def in_reasoning(self) -> bool:
        """Whether what comes next continues the reasoning."""
        return self._sink.in_reasoning

    @property
    def close(self) -> str:
        """What ends the reasoning that is open; "" where none is."""
        think = self._think
        return think.close if think and self.in_reasoning else ""

    @property
    def ending(self) -> str:
        """What is written in the model's place to end the reasoning."""
        think = self._think
        return think.lead + think.close + think.after if think else ""

    @property
    def after_reasoning(self) -> str:
        """What stands between reasoning and the answer."""
        return self._think.after if self._think else ""

    @property
    def _think(self) -> Think | None:
        return self._row.think if self._row.whole else self._thinking

    @property
    def warnings(self) -> tuple[str, ...]:
        """What was wrong with the answer; whole after `flush`."""
        return tuple(self._sink.warnings)

    def feed(self, text: str) -> Split:
        """Take *text* and return what is certain by now."""
        if self._plain:
            return Split(text)
        self._tape.feed(text)
        self._go_on()
        return Split(*self._sink.drain())

    def flush(self) -> Split:
        """End the answer: return what was held back, as what it turned out to be."""
        if self._ended:
            return Split()
        self._ended = True
        if self._sink.in_reasoning:
            self._sink.warn(ENDED_IN_REASONING)
        self._tape.end()
        self._go_on()
        return Split(*self._sink.drain())

    def force(self, name: str, ident: str = "") -> None:
        """From here on the answer is the arguments of a call of *name*, as a grammar holds it."""
        self._sink.in_reasoning = self._plain = False
        self._reading = self._block(_arguments_of(name, ident), "")

    def _go_on(self) -> None:
        try:
            next(self._reading)
        except StopIteration:
            self._sink.text(self._tape.rest())
            self._plain = True

    def _answer(self) -> Reading:
        """The whole answer."""
        whole = self._row.whole
        if whole:
            yield from self._block(whole, "")
            return
        if self._thinking is None:
            known = (*THINKS, *self._row.thinks)
            found = yield from self._tape.has(*(one.open for one in known))
            self._thinking = next((one for one in known if one.open == found), None)
        opener = ""
        if self._thinking is not None:
            opener = yield from self._reasoning(self._thinking)
        if opener:
            yield from self._block(self._reader(opener), opener)
        yield from self._text()

    def _reasoning(self, think: Think) -> Generator[None, None, str]:
        """The reasoning behind its opening; returns what else than its end ended it."""
        self._sink.in_reasoning = True
        while not self._goes_on and (yield from self._tape.has(think.open)):
            pass
        try:
            if not self._goes_on:
                yield from self._tape.peek()
        except CutError:
            return ""
        openers = self._openers() if self._row.ends_thinking else ()
        mark = yield from self._tape.stream((think.close, *openers), self._reason)
        if not mark:
            self._sink.reasoning(self._blanks)
            return ""
        self._blanks = ""
        self._sink.in_reasoning = False
        if mark != think.close:
            return mark
        try:
            yield from self._tape.peek()
        except CutError:
            return ""
        return ""

    def _reason(self, piece: str) -> None:
        """Emit reasoning but for the blanks at its end, which may be the last."""
        whole = self._blanks + piece
        bare = whole.rstrip(BLANK)
        self._blanks = whole[len(bare) :]
        self._sink.reasoning(bare)

    def _text(self) -> Reading:
        """Text with calls in it, to the end."""
        if self._tools and self._prompt_end:
            yield from self._block(self._reader(self._row.prompt_end), "")
        if self._tools and self._names_known:
            for start, reader in self._row.starts:
                self._tape.mark()
                if (yield from self._tape.has(start)):
                    self._tape.back(self._tape.read)
                    yield from self._block(reader, "")
                    break
        marks = (*self._openers(), *self._row.drops)
        if not marks:
            self._plain = True
            self._sink.text(self._tape.rest())
            return
        while True:
            mark = yield from self._tape.stream(marks, self._show)
            if not mark:
                break
            if mark not in self._row.drops:
                yield from self._block(self._reader(mark), mark)
        if not self._sink.count:
            self._sink.text(self._blanks)

    def _show(self, piece: str) -> None:
        """Emit text; blanks wait as long as nothing but calls was before them."""
        if not self._seen:
            whole = self._blanks + piece
            if not whole.strip(BLANK):
                self._blanks = whole
                return
            self._seen, self._blanks, piece = True, "", whole
        self._sink.text(piece)

    def _openers(self) -> tuple[str, ...]:
        return tuple(opener for opener, _reader in self._row.readers) if self._tools else ()

    def _reader(self, opener: str) -> Reader:
        return next(reader for found, reader in self._row.readers if found == opener)

    def _block(self, reader: Reader, opener: str) -> Reading:
        """One block of calls; what is none comes out as text."""
        sink, tape = self._sink, self._tape
        tape.mark()
        before = sink.whole
        try:
            yield from reader(tape, sink)
        except NoCallError as error:
            self._cut = isinstance(error, CutError) and bool(sink.begun or opener)
            if self._cut:
                sink.warn(ENDED_IN_CALL)
            if sink.begun:
                sink.broken(cut=self._cut)
            else:
                self._show(("" if sink.whole > before else opener) + tape.read)
        if sink.whole > before:
            self._seen, self._blanks = False, ""


def splitter_for(run: Run, prompt: str, row: CallFormat) -> AnswerSplitter:
    """
    Make the splitter for the answer to a conversation.

    Args:
        run: what was asked.
        prompt: what its template made of it; "" where that is not known.
        row: how the model writes calls.
    """
    end = row.prompt_end
    if run.forces_call:
        row = replace(row, ends_thinking=False)  # the call that counts is the one that is held
    thinking = inside(run, prompt)
    return AnswerSplitter(
        thinking=thinking,
        reasoning=run.begun is None or thinking is not None or bool(row.whole),
        schemas=schemas_of(run.tools),
        row=row,
        prompt_end=bool(end) and prompt.endswith(end),
        goes_on=thinking is not None and run.begun is not None,
    )


def _arguments_of(name: str, ident: str) -> Reader:
    """A reader of the arguments of *name* alone."""

    def read(tape: Tape, sink: Sink) -> Reading:
        yield from named(tape, sink, name, ident)

    return read
