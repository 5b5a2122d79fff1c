"""
An answer as it comes: every piece of text written to stdout and flushed at once.

Reasoning goes to stderr, calls of tools are a line of JSON each, and `--json` prints the events
themselves. Returned is what a chat has to remember.
"""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Iterable
from dataclasses import dataclass, field

from rkctl.flags import Asked
from rkctl.screen import render
from rkctl.screen.flow import Flow
from rkctl.screen.status_line import StatusLine
from rkd.v1 import inference_pb2 as pb
from rkd.v1 import types_pb2 as types

Event = pb.GenerateResponse | pb.ChatResponse


@dataclass(slots=True)
class Reply:
    """
    What has come of an answer so far.

    Args:
        text: visible text.
        reasoning: what the model thought.
        tool_calls: id, name and argument text by index.
        finished: the last event, None while it has not come.
    """

    text: list[str] = field(default_factory=list)
    reasoning: list[str] = field(default_factory=list)
    tool_calls: dict[int, types.ToolCall] = field(default_factory=dict)
    finished: types.Finished | None = None

    def message(self) -> types.Message:
        """Return it as the assistant's turn."""
        return types.Message(
            role="assistant",
            content="".join(self.text),
            reasoning="".join(self.reasoning),
            tool_calls=[self.tool_calls[index] for index in sorted(self.tool_calls)],
        )


class Printer:
    """
    Prints one answer while it comes.

    Args:
        reply: filled as the answer comes; holds what came when the user interrupts.
        model: its name as the user wrote it.
        asked: how it is to be shown.
        as_json: print the events instead.
    """

    def __init__(self, reply: Reply, model: str, asked: Asked, *, as_json: bool) -> None:
        self._reply = reply
        self._model = model
        self._json = as_json
        self._asked = asked
        self._verbose = asked.verbose
        self._line = StatusLine()
        self._terminal = sys.stdout.isatty()
        self._thinking = False
        self._answer = 0
        wraps = render.is_live(sys.stdout) and not asked.unwrapped
        self._flow = Flow(shutil.get_terminal_size().columns) if wraps else None

    def follow(self, events: Iterable[Event]) -> None:
        """Print *events* until they end."""
        try:
            with self._line:
                for event in events:
                    self._take(event)
        finally:
            self._end_of_text()
        if self._json or self._reply.finished is None:
            return
        for index in sorted(self._reply.tool_calls):
            render.out(_call(self._reply.tool_calls[index]))
        _close(self._reply.finished, verbose=self._verbose)

    def _take(self, event: Event) -> None:
        if self._json:
            render.out(render.to_json(event))
        match event.WhichOneof("event"):
            case "accepted" if self._verbose and not self._json:
                _accepted(event.accepted)
            case "queued":
                self._line.queued(event.queued)
            case "loading":
                self._line.loading(event.loading, self._model)
            case "prefill":
                self._line.prefill(event.prefill)
            case "delta":
                self._line.clear()
                self._delta(event.delta)
            case "finished":
                self._reply.finished = event.finished
            case _:
                pass

    def _delta(self, delta: types.Delta) -> None:
        if delta.answer != self._answer:
            self._next_answer(delta.answer)
        if delta.reasoning_text:
            self._reply.reasoning.append(delta.reasoning_text)
            if not self._json and not self._asked.hide_thinking:
                self._think(delta.reasoning_text)
        if delta.text:
            self._reply.text.append(delta.text)
            if not self._json:
                self._end_of_thought()
                sys.stdout.write(self._shown(delta.text))
                sys.stdout.flush()
        for piece in delta.tool_calls:
            call = self._reply.tool_calls.setdefault(piece.index, types.ToolCall())
            call.id = call.id or piece.id
            call.name = call.name or piece.name
            call.arguments_json += piece.arguments

    def _next_answer(self, answer: int) -> None:
        """Begin another of several answers: a line of its own, and an empty one before it."""
        self._end_of_text()
        self._answer = answer
        if not self._json:
            sys.stdout.write("\n")
        self._reply.text.append("\n\n")

    def _shown(self, text: str) -> str:
        if not self._terminal:
            return text
        return self._flow.take(render.clean(text)) if self._flow else render.clean(text)

    def _think(self, text: str) -> None:
        shown = render.clean(text) if sys.stderr.isatty() else text
        if self._terminal:
            shown = render.styled(shown, stream=sys.stderr, dim=True)
        sys.stderr.write(shown)
        sys.stderr.flush()
        self._thinking = True

    def _end_of_thought(self) -> None:
        if self._thinking:
            sys.stderr.write("\n\n" if self._terminal else "\n")
            sys.stderr.flush()
            self._thinking = False

    def _end_of_text(self) -> None:
        """End the last line: an answer on stdout is whole lines."""
        if self._json:
            return
        self._end_of_thought()
        if self._reply.text and not self._reply.text[-1].endswith("\n"):
            sys.stdout.write("\n")
            sys.stdout.flush()


def _call(call: types.ToolCall) -> str:
    try:
        arguments = json.loads(call.arguments_json or "{}")
    except (ValueError, RecursionError):
        arguments = call.arguments_json
    return json.dumps({"name": call.name, "arguments": arguments}, ensure_ascii=False)


def _accepted(event: types.Accepted) -> None:
    where = render.word(types.Backend.Name(event.backend), "BACKEND_")
    why = f", because {event.backend_reason}" if event.backend_reason else ""
    render.note(f"request {event.request_id}: {event.model} on the {where}{why}")


def _close(finished: types.Finished, *, verbose: bool) -> None:
    for warning in finished.warnings:
        render.note(f"warning: {warning}")
    if verbose:
        render.note(summary(finished))


def summary(finished: types.Finished) -> str:
    """Say in one line where, how much and how fast."""
    usage, timings = finished.usage, finished.timings
    ended = render.word(types.FinishReason.Name(finished.finish_reason), "FINISH_REASON_")
    decode_s = timings.decode.ToNanoseconds() / 1e9
    rate = f" at {usage.completion_tokens / decode_s:.1f} tokens/s" if decode_s > 0 else ""
    cached = f" ({usage.cached_tokens} cached)" if usage.cached_tokens else ""
    parts = [
        f"{usage.prompt_tokens} prompt tokens{cached}, {usage.completion_tokens} generated{rate}",
        f"first after {render.duration(timings.first_token)}",
        f"ended by {ended}",
        f"on the {render.word(types.Backend.Name(finished.backend), 'BACKEND_')}",
        f"seed {finished.seed}",
    ]
    if finished.timings.load.ToNanoseconds():
        parts.insert(1, f"loaded in {render.duration(timings.load)}")
    return "; ".join(part for part in (*parts, finished.backend_reason, finished.runtime) if part)
