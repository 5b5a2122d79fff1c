"""`POST /v1/responses`: a response, event by event, whole, or in the background."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any

from rkd_client import AsyncAnswer
from rkd_client.errors import ExhaustedError, RkdError

from rkd_gateway.calls import deltas, finished
from rkd_gateway.endpoint import Call, HttpAnswer, Lines
from rkd_gateway.errands import errand
from rkd_gateway.fields import Fields
from rkd_gateway.openai.shape import COMMENT, SSE, OpenAIDialect, event
from rkd_gateway.openai.turns import chosen
from rkd_gateway.problems import bad_field, unsupported
from rkd_gateway.responses.asking import ResponsesRequest, options, shape, thoughts, tools
from rkd_gateway.responses.items import items_of, turns
from rkd_gateway.responses.store import KeptResponse, ResponseStore
from rkd_gateway.responses.telling import Telling, fresh

ECHOED = (
    "instructions",
    "max_output_tokens",
    "metadata",
    "parallel_tool_calls",
    "previous_response_id",
    "reasoning",
    "temperature",
    "text",
    "tool_choice",
    "tools",
    "top_p",
    "truncation",
    "user",
)
"""Fields of a request that its response says again."""

USUAL: dict[str, Any] = {
    "parallel_tool_calls": True,
    "text": {"format": {"type": "text"}},
    "tool_choice": "auto",
    "tools": [],
    "truncation": "disabled",
    "metadata": {},
}
"""What a response says of fields that were not sent."""


MOST_AT_ONCE = 64
"""Made in the background; each waits in the daemon's queue like any other."""


class Creation:
    """
    Makes responses.

    Args:
        store: where they are remembered.
    """

    def __init__(self, store: ResponseStore) -> None:
        self._store = store
        self._working: set[asyncio.Task[None]] = set()

    @property
    def is_working(self) -> bool:
        """Whether a response is being made in the background."""
        return bool(self._working)

    async def create(self, call: Call) -> HttpAnswer:
        """Answer a request for a response."""
        asked = read(call.fields)
        before = self._store.get(call.caller, asked.previous).said if asked.previous else []
        items = [*before, *asked.items]
        conversation = await call.aside(turns, items)
        if asked.told["instructions"]:
            first = {"role": "system", "content": asked.told["instructions"]}
            conversation = [first, *conversation]
        if not conversation:
            raise bad_field("input", "a text or a list with at least one item")
        given = {**call.priority, **errand(conversation), **asked.options}
        answer = call.client.chat(asked.model, conversation, **given)
        telling = Telling(_response(asked), summary=asked.summary)
        kept = KeptResponse(telling.response, items, len(asked.items))
        if asked.background:
            return self._in_background(call.caller, answer, telling, kept)
        if asked.streamed:
            lines = self._lines(call.caller if asked.stored else "", answer, telling, kept)
            return Lines(lines, SSE, lambda error: _broken(telling, error), comment=COMMENT)
        async for _ in _events(answer, telling):
            pass
        if asked.stored:
            self._store.put(call.caller, kept)
        return telling.response

    async def _lines(
        self, caller: str, answer: AsyncAnswer[Any], telling: Telling, kept: KeptResponse
    ) -> AsyncIterator[bytes]:
        async for value in _events(answer, telling):
            yield _named(value)
        if caller:
            self._store.put(caller, kept)

    def _in_background(
        self, caller: str, answer: AsyncAnswer[Any], telling: Telling, kept: KeptResponse
    ) -> dict[str, Any]:
        async def make() -> None:
            try:
                async for _ in _events(answer, telling):
                    pass
            except RkdError as error:
                telling.fail(OpenAIDialect().error(error)["error"])
            except asyncio.CancelledError:
                telling.response["status"] = "cancelled"
                raise
            finally:
                kept.making = None
                self._store.put(caller, kept)

        if len(self._working) >= MOST_AT_ONCE:
            said = f"{MOST_AT_ONCE} responses are made in the background already"
            raise ExhaustedError("GATEWAY_BUSY", said, retry_after_s=5.0)
        told = dict(telling.response)
        kept.making = asyncio.create_task(make())
        self._working.add(kept.making)
        kept.making.add_done_callback(self._working.discard)
        self._store.put(caller, kept)
        return told


def read(fields: Fields) -> ResponsesRequest:
    """
    Read a request.

    Raises:
        RkdError: INVALID_FIELD; CAPABILITY_UNSUPPORTED.
    """
    said = {name: value for name in ECHOED if (value := fields.peek(name)) is not None}
    told = {**dict.fromkeys(ECHOED), **USUAL, **said}
    previous = fields.text("previous_response_id") or ""
    fields.text("instructions")
    streamed, background = fields.yes("stream") or False, fields.yes("background") or False
    stored = fields.yes("store") is not False
    if streams := fields.inner("stream_options"):
        streams.skip("include_obfuscation")
        streams.end()
    if background and (streamed or not stored):
        raise unsupported("background", "is built for whole, stored responses", "leave it out")
    items = items_of(fields.take("input") or [])
    model = fields.name_of_model("model")
    effort, summary = thoughts(fields.inner("reasoning"))
    offered, choice = tools(fields), chosen(fields)
    given = {**options(fields), **effort, "json_schema": shape(fields.inner("text"))}
    fields.end()
    given.update(tools=offered, tool_choice=choice)
    told["store"], told["background"] = stored, background
    return ResponsesRequest(
        model,
        items,
        previous,
        told,
        given,
        summary=summary,
        streamed=streamed,
        stored=stored,
        background=background,
    )


def _response(asked: ResponsesRequest) -> dict[str, Any]:
    head = {"id": fresh("resp"), "object": "response", "created_at": int(time.time())}
    told = {"status": "in_progress", "error": None, "incomplete_details": None}
    return {**head, **told, **asked.told, "model": asked.model, "output": [], "usage": None}


async def _events(answer: AsyncAnswer[Any], telling: Telling) -> AsyncIterator[dict[str, Any]]:
    begun = False
    async for piece in deltas(answer):
        for value in [*([] if begun else telling.begin()), *telling.add(piece)]:
            yield value
        begun = True
    for value in [
        *([] if begun else telling.begin()),
        *telling.end(finished(answer)),
    ]:
        yield value


def _named(value: dict[str, Any]) -> bytes:
    return f"event: {value['type']}\n".encode() + event(value)


def _broken(telling: Telling, error: RkdError) -> bytes:
    told = telling.fail(OpenAIDialect().error(error)["error"])
    return b"".join(_named(value) for value in told)
