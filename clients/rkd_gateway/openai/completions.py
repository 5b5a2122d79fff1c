"""`/v1/completions`: a prompt continued as it is, without a template; or a gap filled in."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Iterator
from typing import Any, Final

from rkd_client import AsyncAnswer

from rkd.v1 import types_pb2 as types
from rkd_gateway.calls import deltas, ends, finished, warned, wholes
from rkd_gateway.endpoint import Call, HttpAnswer, Lines
from rkd_gateway.openai.asking import constraint, options, with_usage
from rkd_gateway.openai.shape import COMMENT, DONE, ENDS, SSE, event, failed, made, usage
from rkd_gateway.problems import bad_field, unsupported

MOST_PROMPTS: Final = 64
"""Of one request."""


async def completions(call: Call) -> HttpAnswer:
    """Continue prompts, one after the other."""
    fields = call.fields
    model = fields.name_of_model("model")
    prompts = _prompts(fields.take("prompt"))
    streamed = fields.yes("stream") or False
    suffix = fields.text("suffix") or None
    counted = with_usage(fields, streamed=streamed)
    given = {**call.priority, **options(fields), "logprobs": fields.whole("logprobs")}
    given.update(constraint(fields), n=fields.whole("n"))
    fields.end()
    count = given["n"] or 1

    def answers() -> Iterator[tuple[int, AsyncAnswer[Any]]]:
        """Yield the index of each prompt's first choice, and its answer, begun when it is read."""
        for at, prompt in enumerate(prompts):
            raw = suffix is None
            yield at * count, call.client.generate(model, prompt, raw=raw, suffix=suffix, **given)

    head = _head(model)
    if streamed:
        return Lines(_events(answers(), head, counted=counted), SSE, failed, comment=COMMENT)
    choices: list[dict[str, Any]] = []
    for _, answer in answers():
        found = await wholes(answer, count)
        for one, end in zip(found, ends(answer), strict=True):
            choices.append(_choice(len(choices), one.text, _logprobs(one.logprobs, 0), end))
        _count(head, finished(answer))
    return {**head, "choices": choices}


def _prompts(given: object) -> list[str]:
    texts = given if isinstance(given, list) else [given]
    if texts and isinstance(texts[0], int | list):
        said = "prompts of token ids are not built yet"
        raise unsupported("prompt", said, "send texts")
    found = [one for one in texts if isinstance(one, str)]
    if len(found) < len(texts) or not 0 < len(found) <= MOST_PROMPTS:
        raise bad_field("prompt", f"a text, or a list of 1 to {MOST_PROMPTS} texts")
    return found


async def _events(
    answers: Iterable[tuple[int, AsyncAnswer[Any]]], head: dict[str, Any], *, counted: bool
) -> AsyncIterator[bytes]:
    told = dict(head)
    line = {**head, "usage": None} if counted else head
    for first, answer in answers:
        said: dict[int, int] = {}
        async for piece in deltas(answer):
            if piece.text or piece.logprobs:
                at = said.get(piece.answer, 0)
                said[piece.answer] = at + len(piece.text)
                logprobs = _logprobs(piece.logprobs, at)
                yield event(
                    {**line, "choices": [_choice(first + piece.answer, piece.text, logprobs)]}
                )
        _count(told, finished(answer))
        for at, end in enumerate(ends(answer), first):
            yield event(
                {**line, "choices": [_choice(at, "", None, end)], **warned(finished(answer))}
            )
    if counted:
        yield event({**told, "choices": []})
    yield DONE


def _count(told: dict[str, Any], end: types.Finished) -> None:
    """Add what *end* says of tokens and warnings to *told*."""
    before, now = told.get("usage"), usage(end.usage)
    told["usage"] = now if before is None else _sum(before, now)
    warnings = [*told.get("warnings", ()), *warned(end).get("warnings", ())]
    if warnings:
        told["warnings"] = list(dict.fromkeys(warnings))


def _sum(one: dict[str, Any], other: dict[str, Any]) -> dict[str, Any]:
    return {
        name: _sum(value, other[name]) if isinstance(value, dict) else value + other[name]
        for name, value in one.items()
    }


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
