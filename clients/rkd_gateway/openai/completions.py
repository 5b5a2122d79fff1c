"""`/v1/completions`: a prompt continued as it is, without a template; or a gap filled in."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

from rkd_client import AsyncAnswer

from rkd_gateway.calls import deltas, ends, finished, warned, wholes
from rkd_gateway.endpoint import Answer, Call, Lines
from rkd_gateway.openai.asking import constraint, options, with_usage
from rkd_gateway.openai.shape import COMMENT, DONE, ENDS, SSE, event, failed, made, usage
from rkd_gateway.problems import bad_field, unsupported


async def completions(call: Call) -> Answer:
    """Continue a prompt."""
    fields = call.fields
    model = fields.name_of_model("model")
    prompt = _prompt(fields.take("prompt"))
    streamed = fields.yes("stream") or False
    suffix = fields.text("suffix") or None
    counted = with_usage(fields, streamed=streamed)
    given = {**call.priority, **options(fields), "logprobs": fields.whole("logprobs")}
    given.update(constraint(fields), n=fields.whole("n"))
    fields.end()
    answer = call.client.generate(model, prompt, raw=suffix is None, suffix=suffix, **given)
    if streamed:
        lines = _events(answer, model, counted=counted)
        return Lines(lines, SSE, failed, comment=COMMENT)
    head = _head(model)
    found = await wholes(answer, given["n"] or 1)
    choices = [
        _choice(at, one.text, _logprobs(one.logprobs, 0), end)
        for at, (one, end) in enumerate(zip(found, ends(answer), strict=True))
    ]
    told = {"choices": choices, "usage": usage(finished(answer).usage)}
    return {**head, **told, **warned(finished(answer))}


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
    said: dict[int, int] = {}
    async for piece in deltas(answer):
        if piece.text or piece.logprobs:
            at = said.get(piece.answer, 0)
            said[piece.answer] = at + len(piece.text)
            choice = _choice(piece.answer, piece.text, _logprobs(piece.logprobs, at))
            yield event({**head, "choices": [choice]})
    head.update(warned(finished(answer)))
    for at, end in enumerate(ends(answer)):
        yield event({**head, "choices": [_choice(at, "", None, end)]})
    if counted:
        yield event({**head, "choices": [], "usage": usage(finished(answer).usage)})
    yield DONE


def _head(model: str) -> dict[str, Any]:
    identity, created = made("cmpl")
    return {"id": identity, "object": "text_completion", "created": created, "model": model}


def _choice(at: int, text: str, logprobs: Any, end: Any = None) -> dict[str, Any]:
    reason = None if end is None else ENDS.get(end.finish_reason, "stop")
    return {"index": at, "text": text, "logprobs": logprobs, "finish_reason": reason}


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
