"""`/v1/completions`: a prompt continued as it is, without a template."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

from rkd_client import AsyncAnswer

from rkd_gateway.calls import deltas, finished, whole
from rkd_gateway.endpoint import Answer, Call, Lines
from rkd_gateway.openai.asking import options, with_usage
from rkd_gateway.openai.shape import COMMENT, DONE, ENDS, SSE, event, failed, made, usage
from rkd_gateway.problems import bad_field, unsupported


async def completions(call: Call) -> Answer:
    """Continue a prompt."""
    fields = call.fields
    model = fields.name_of_model("model")
    prompt = _prompt(fields.take("prompt"))
    streamed = fields.yes("stream") or False
    counted = with_usage(fields, streamed=streamed)
    given = {**options(fields), "logprobs": fields.whole("logprobs")}
    fields.end()
    answer = call.client.generate(model, prompt, raw=True, **given)
    if streamed:
        lines = _events(answer, model, counted=counted)
        return Lines(lines, SSE, failed, comment=COMMENT)
    head = _head(model)
    found = await whole(answer)
    end = finished(answer)
    choice = _choice(found.text, _logprobs(found.logprobs, 0), _end(answer))
    return {**head, "choices": [choice], "usage": usage(end.usage)}


def _prompt(given: object) -> str:
    if isinstance(given, list) and len(given) == 1:
        given = given[0]
    if isinstance(given, list) and given:
        said = "several prompts, and prompts of token ids, are not built yet"
        raise unsupported("prompt", said, "send one text")
    if not isinstance(given, str):
        raise bad_field("prompt", "a text")
    return given


async def _events(answer: AsyncAnswer[Any], model: str, *, counted: bool) -> AsyncIterator[bytes]:
    head = _head(model) | ({"usage": None} if counted else {})
    at = 0
    async for piece in deltas(answer):
        if piece.text or piece.logprobs:
            yield event(
                {**head, "choices": [_choice(piece.text, _logprobs(piece.logprobs, at), None)]}
            )
            at += len(piece.text)
    yield event({**head, "choices": [_choice("", None, _end(answer))]})
    if counted:
        yield event({**head, "choices": [], "usage": usage(finished(answer).usage)})
    yield DONE


def _head(model: str) -> dict[str, Any]:
    identity, created = made("cmpl")
    return {"id": identity, "object": "text_completion", "created": created, "model": model}


def _choice(text: str, logprobs: Any, end: str | None) -> dict[str, Any]:
    return {"index": 0, "text": text, "logprobs": logprobs, "finish_reason": end}


def _end(answer: AsyncAnswer[Any]) -> str:
    return ENDS.get(finished(answer).finish_reason, "stop")


def _logprobs(given: Any, at: int) -> dict[str, Any] | None:
    if not given:
        return None
    offsets = []
    for token in given:
        offsets.append(at)
        at += len(token.chosen.text)
    return {
        "tokens": [token.chosen.text for token in given],
        "token_logprobs": [token.chosen.logprob for token in given],
        "top_logprobs": [
            {rival.text: rival.logprob for rival in token.alternatives} for token in given
        ],
        "text_offset": offsets,
    }
