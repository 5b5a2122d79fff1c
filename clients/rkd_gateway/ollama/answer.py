"""`/api/chat` and `/api/generate`: an answer, line by line or whole."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, replace
from typing import Any

from rkd_client import AsyncAnswer

from rkd.v1 import types_pb2 as types
from rkd_gateway.calls import GrowingCall, Watch, Whole, deltas, finished, warned, whole
from rkd_gateway.endpoint import Call, HttpAnswer, Lines
from rkd_gateway.errands import errand
from rkd_gateway.fields import Fields
from rkd_gateway.ollama.asking import answering
from rkd_gateway.ollama.remembered import packed, unpacked
from rkd_gateway.ollama.shape import NDJSON, failed, line, now
from rkd_gateway.ollama.turns import call_of, pictures, turns
from rkd_gateway.problems import bad_field
from rkd_gateway.tools import tools

REASONS = {
    types.FINISH_REASON_LENGTH: "length",
    types.FINISH_REASON_CONTEXT_FULL: "length",
}
"""What Ollama calls an end; everything else is `stop`."""

LineFields = Callable[[str, str, list[dict[str, Any]]], dict[str, Any]]
"""Writes visible text, thoughts and calls of one line."""


@dataclass(frozen=True, slots=True)
class Writing:
    """
    How one answer is written.

    Args:
        model: as the request named it.
        piece: the fields of a line besides those of every line.
        watch: since the request.
        asked: the turns whose answer goes on as `context`; none where nothing does.
    """

    model: str
    piece: LineFields
    watch: Watch
    asked: tuple[dict[str, str], ...] = ()

    def line(self, text: str, thoughts: str, calls: list[dict[str, Any]]) -> dict[str, Any]:
        """Return one line of the answer."""
        head = {"model": self.model, "created_at": now()}
        return {**head, **self.piece(text, thoughts, calls), "done": False}

    def last(self, answer: AsyncAnswer[Any], text: str) -> dict[str, Any]:
        """Return how the answer, which said *text*, ended."""
        end = finished(answer)
        turns = [*self.asked, {"role": "assistant", "content": text}]
        return {
            "done": True,
            "done_reason": REASONS.get(end.finish_reason, "stop"),
            **({"context": packed(turns)} if self.asked else {}),
            **warned(end),
            **timings(end, self.watch.ns),
        }


def timings(end: types.Finished, total_ns: int) -> dict[str, int]:
    """Return counts and durations in nanoseconds; the parts are never more than the whole."""
    load, read, write = (
        getattr(end.timings, part).ToNanoseconds() for part in ("load", "prefill", "decode")
    )
    return {
        "total_duration": max(total_ns, load + read + write),
        "load_duration": load,
        "prompt_eval_count": end.usage.prompt_tokens,
        "prompt_eval_duration": read,
        "eval_count": end.usage.completion_tokens,
        "eval_duration": write,
    }


async def chat(call: Call) -> HttpAnswer:
    """Answer a conversation; without one, load or unload the model."""
    watch, fields = Watch(), call.fields
    shown = str(fields.take("model") or "")
    model = Fields({"model": shown}).name_of_model("model")
    streamed = fields.yes("stream") is not False
    messages = await call.aside(turns, fields)
    offered = tools(fields, kind="function", beside="items")
    given = answering(fields, {**call.priority, **errand(messages)})
    fields.skip("truncate", "shift")
    fields.end()
    telling = Writing(shown, _chat_piece, watch)
    if not messages:
        return await _reside(call, telling, model, given, streamed=streamed)
    answer = call.client.chat(model, messages, tools=offered, **given)
    return await _told(answer, telling, streamed=streamed)


async def generate(call: Call) -> HttpAnswer:
    """Continue a prompt; without one, load or unload the model."""
    watch, fields = Watch(), call.fields
    shown = str(fields.take("model") or "")
    model = Fields({"model": shown}).name_of_model("model")
    streamed = fields.yes("stream") is not False
    before = unpacked(fields.items("context") or []) if fields.peek("context") else []
    fields.skip("context")
    template = fields.text("template") or None
    suffix = fields.text("suffix") or None
    seen = await call.aside(pictures, fields)
    prompt = fields.text("prompt") or ""
    system, raw = fields.text("system"), fields.yes("raw") or False
    given = answering(fields, call.priority)
    fields.skip("truncate", "shift")
    fields.end()
    telling = Writing(shown, _text_piece, watch)
    if not (prompt or seen or suffix):
        return await _reside(call, telling, model, given, streamed=streamed)
    if before and (raw or suffix or seen):
        raise bad_field("context", "sent without raw, suffix and images")
    if not (raw or suffix or seen):
        telling = replace(telling, asked=(*before, {"role": "user", "content": prompt}))
    answer: AsyncAnswer[Any]
    if before:
        first = [{"role": "system", "content": system}] if system else []
        answer = call.client.chat(model, [*first, *telling.asked], template=template, **given)
        return await _told(answer, telling, streamed=streamed)
    pieces = [*seen, types.Part(text=prompt)] if seen else prompt
    answer = call.client.generate(
        model, pieces, system=system or None, raw=raw, suffix=suffix, template=template, **given
    )
    return await _told(answer, telling, streamed=streamed)


def _chat_piece(text: str, thoughts: str, calls: list[dict[str, Any]]) -> dict[str, Any]:
    message: dict[str, Any] = {"role": "assistant", "content": text}
    if thoughts:
        message["thinking"] = thoughts
    if calls:
        message["tool_calls"] = calls
    return {"message": message}


def _text_piece(text: str, thoughts: str, calls: list[dict[str, Any]]) -> dict[str, Any]:
    del calls
    return {"response": text, "thinking": thoughts} if thoughts else {"response": text}


async def _told(answer: AsyncAnswer[Any], telling: Writing, *, streamed: bool) -> HttpAnswer:
    if streamed:
        return Lines(_lines(answer, telling), NDJSON, failed)
    found = await whole(answer)
    calls = [call_of(told, at) for at, told in sorted(found.calls.items())]
    made = {**telling.line(found.text, found.reasoning, calls), **telling.last(answer, found.text)}
    return {**made, **_logprobs(found.logprobs)}


async def _lines(answer: AsyncAnswer[Any], telling: Writing) -> AsyncIterator[bytes]:
    calls, texts = Calls(), []
    async for delta in deltas(answer):
        done = calls.add(delta)
        texts.append(delta.text if telling.asked else "")
        if delta.text or delta.reasoning_text or done or delta.logprobs:
            said = telling.line(delta.text, delta.reasoning_text, done)
            yield line({**said, **_logprobs(delta.logprobs)})
    if left := calls.rest():
        yield line(telling.line("", "", left))
    yield line({**telling.line("", "", []), **telling.last(answer, "".join(texts))})


class Calls:
    """Calls as they become whole: one is when the next begins, text follows, or all ends."""

    def __init__(self) -> None:
        self._open: Whole = Whole()

    def add(self, delta: types.Delta) -> list[dict[str, Any]]:
        """Take a piece of the answer; return the calls that are whole now."""
        newest = max((piece.index for piece in delta.tool_calls), default=None)
        self._open.add(types.Delta(tool_calls=delta.tool_calls))
        before = newest if newest is not None else (1 << 31 if delta.text else 0)
        return self._close([at for at in sorted(self._open.calls) if at < before])

    def rest(self) -> list[dict[str, Any]]:
        """Return what is left."""
        return self._close(sorted(self._open.calls))

    def _close(self, done: list[int]) -> list[dict[str, Any]]:
        told: list[tuple[int, GrowingCall]] = [(at, self._open.calls.pop(at)) for at in done]
        return [call_of(one, at) for at, one in told]


def _logprobs(given: Any) -> dict[str, Any]:
    if not given:
        return {}
    return {
        "logprobs": [
            {**_one(token.chosen), "top_logprobs": [_one(rival) for rival in token.alternatives]}
            for token in given
        ]
    }


def _one(token: types.Logprob) -> dict[str, Any]:
    return {"token": token.text, "logprob": token.logprob, "bytes": list(token.text.encode())}


async def _reside(
    call: Call, telling: Writing, model: str, given: dict[str, Any], *, streamed: bool
) -> HttpAnswer:
    keep_s = given["keep_alive_s"]
    if keep_s == 0:
        await call.client.unload(model)
    else:
        context = given.get("context_tokens")
        await call.client.load(model, keep_alive_s=keep_s, context_tokens=context).result()
    reason = "unload" if keep_s == 0 else "load"
    made = {**telling.line("", "", []), "done": True, "done_reason": reason}
    if not streamed:
        return made

    async def one() -> AsyncIterator[bytes]:
        yield line(made)

    return Lines(one(), NDJSON, failed)
