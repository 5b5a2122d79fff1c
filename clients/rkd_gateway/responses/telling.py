"""A response as it grows: its items, and the events that tell of them."""

from __future__ import annotations

import secrets
from typing import Any, Final

from rkd.v1 import types_pb2 as types
from rkd_gateway.calls import warned
from rkd_gateway.openai.shape import tokens_of

INCOMPLETE: Final = (types.FINISH_REASON_LENGTH, types.FINISH_REASON_CONTEXT_FULL)


def fresh(prefix: str) -> str:
    """Return an id that begins with *prefix*."""
    return f"{prefix}_{secrets.token_hex(16)}"


class Telling:
    """
    The events of one response, numbered; purely, piece by piece.

    Args:
        response: as it is told at first; grows with every piece.
        summary: thoughts are told as a summary.
    """

    def __init__(self, response: dict[str, Any], *, summary: bool) -> None:
        self.response = response
        self._summary = summary
        self._sequence = -1
        self._open: str | int | None = None

    def begin(self) -> list[dict[str, Any]]:
        """Return the first events."""
        return [self._whole("response.created"), self._whole("response.in_progress")]

    def add(self, piece: types.Delta) -> list[dict[str, Any]]:
        """Return the events that *piece* is."""
        events: list[dict[str, Any]] = []
        if piece.reasoning_text:
            events += self._switch("reasoning")
            events.append(self._thought(piece.reasoning_text))
        if piece.text or piece.logprobs:
            events += self._switch("message")
            events.append(self._text(piece))
        for call in piece.tool_calls:
            events += self._switch(call.index, call)
            if call.arguments:
                self._item["arguments"] += call.arguments
                kind = "response.function_call_arguments.delta"
                events.append(self._event(kind, delta=call.arguments))
        return events

    def end(self, last: types.Finished) -> list[dict[str, Any]]:
        """Return the events that end it."""
        cut = last.finish_reason in INCOMPLETE
        events = self._close("incomplete" if cut else "completed")
        self.response["status"] = "incomplete" if cut else "completed"
        if cut:
            self.response["incomplete_details"] = {"reason": "max_output_tokens"}
        self.response["usage"] = usage(last.usage)
        self.response.update(warned(last))
        return [*events, self._whole(f"response.{self.response['status']}")]

    def fail(self, error: dict[str, Any]) -> list[dict[str, Any]]:
        """Return the events of one that broke; *error* has a code and a message."""
        events = self._close("incomplete")
        self.response["status"] = "failed"
        self.response["error"] = {"code": error["code"], "message": error["message"]}
        return [*events, self._whole("response.failed")]

    @property
    def _item(self) -> dict[str, Any]:
        """The item that grows."""
        last: dict[str, Any] = self.response["output"][-1]
        return last

    def _whole(self, kind: str) -> dict[str, Any]:
        self._sequence += 1
        told = {**self.response, "output": [dict(one) for one in self.response["output"]]}
        return {"type": kind, "sequence_number": self._sequence, "response": told}

    def _event(self, kind: str, **more: Any) -> dict[str, Any]:
        self._sequence += 1
        at = len(self.response["output"]) - 1
        place = {"item_id": self._item["id"], "output_index": at}
        return {"type": kind, "sequence_number": self._sequence, **place, **more}

    def _item_event(self, kind: str) -> dict[str, Any]:
        self._sequence += 1
        at = len(self.response["output"]) - 1
        told = {"output_index": at, "item": dict(self._item)}
        return {"type": kind, "sequence_number": self._sequence, **told}

    def _switch(
        self, wanted: str | int, call: types.ToolCallDelta | None = None
    ) -> list[dict[str, Any]]:
        if self._open == wanted:
            return []
        events = self._close("completed")
        self._open = wanted
        empty = {"message": _message, "reasoning": _reasoning}.get(str(wanted))
        self.response["output"].append(_function(call) if empty is None else empty())
        events.append(self._item_event("response.output_item.added"))
        if wanted == "message":
            part: dict[str, Any] = _output("")
            events.append(self._event("response.content_part.added", content_index=0, part=part))
            self._item["content"] = [_output("")]
        elif wanted == "reasoning":
            self._item["summary" if self._summary else "content"] = [self._part("")]
            if self._summary:
                kind = "response.reasoning_summary_part.added"
                events.append(self._event(kind, summary_index=0, part=self._part("")))
        return events

    def _thought(self, text: str) -> dict[str, Any]:
        self._item["summary" if self._summary else "content"][0]["text"] += text
        return self._event(f"response.{self._kind}.delta", **self._index, delta=text)

    def _text(self, piece: types.Delta) -> dict[str, Any]:
        part = self._item["content"][0]
        part["text"] += piece.text
        tokens = tokens_of(piece.logprobs)
        part["logprobs"] += tokens
        kind = "response.output_text.delta"
        return self._event(kind, content_index=0, delta=piece.text, logprobs=tokens)

    def _close(self, status: str) -> list[dict[str, Any]]:
        if self._open is None:
            return []
        opened, self._open = self._open, None
        item = self._item
        item["status"] = status
        events = []
        if opened == "message":
            part = item["content"][0]
            said = {"content_index": 0, "text": part["text"], "logprobs": part["logprobs"]}
            events.append(self._event("response.output_text.done", **said))
            events.append(self._event("response.content_part.done", content_index=0, part=part))
        elif opened == "reasoning":
            part = item["summary" if self._summary else "content"][0]
            kind = f"response.{self._kind}.done"
            events.append(self._event(kind, **self._index, text=part["text"]))
            if self._summary:
                kind = "response.reasoning_summary_part.done"
                events.append(self._event(kind, summary_index=0, part=part))
        else:
            item["arguments"] = item["arguments"] or "{}"
            said = {"arguments": item["arguments"], "name": item["name"]}
            events.append(self._event("response.function_call_arguments.done", **said))
        return [*events, self._item_event("response.output_item.done")]

    @property
    def _kind(self) -> str:
        return "reasoning_summary_text" if self._summary else "reasoning_text"

    @property
    def _index(self) -> dict[str, int]:
        return {"summary_index" if self._summary else "content_index": 0}

    def _part(self, text: str) -> dict[str, Any]:
        return {"type": "summary_text" if self._summary else "reasoning_text", "text": text}


def _message() -> dict[str, Any]:
    head = {"type": "message", "id": fresh("msg"), "role": "assistant"}
    return {**head, "status": "in_progress", "content": []}


def _reasoning() -> dict[str, Any]:
    return {"type": "reasoning", "id": fresh("rs"), "status": "in_progress", "summary": []}


def _function(call: types.ToolCallDelta | None) -> dict[str, Any]:
    identity = (call.id if call else "") or fresh("call")
    head = {"type": "function_call", "id": fresh("fc"), "call_id": identity}
    name = call.name if call else ""
    return {**head, "name": name, "arguments": "", "status": "in_progress"}


def _output(text: str) -> dict[str, Any]:
    return {"type": "output_text", "text": text, "annotations": [], "logprobs": []}


def usage(counted: types.Usage) -> dict[str, Any]:
    """Return the tokens of a response."""
    return {
        "input_tokens": counted.prompt_tokens,
        "input_tokens_details": {"cached_tokens": counted.cached_tokens, "cache_write_tokens": 0},
        "output_tokens": counted.completion_tokens,
        "output_tokens_details": {"reasoning_tokens": counted.reasoning_tokens},
        "total_tokens": counted.prompt_tokens + counted.completion_tokens,
    }
