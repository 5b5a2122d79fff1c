"""Turns as the browser draws them: plain values in which foreign text is text or safe HTML."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from rkd_console import safe
from rkd_console.chat.blocks import Block, blocks_of
from rkd_console.chat.conversation import (
    Attachment,
    Conversation,
    Figures,
    Lane,
    Picture,
    Turn,
)
from rkd_console.chat.running import Running, Stage

Say = Callable[..., str]
"""A text of the catalogue, by its key and values."""

MAX_PREVIEW_CHARACTERS = 20_000
"""Of an attachment, a call's arguments or a user's text; the whole is kept and sent."""
MAX_NAME_CHARACTERS = 160
MAX_SHOWN_CHARACTERS = 2 << 20
"""Of all turns drawn at once."""
MAX_BLOCKS_AT_ONCE = 64


def block(one: Block) -> dict[str, Any]:
    """Return a finished block, or the tail as if it were one."""
    if one.kind == "code":
        return {
            "code": safe.shown(one.text, len(one.text)),
            "language": safe.shown(one.language),
            "on": one.goes_on,
        }
    return {"html": _html(one.text)}


@functools.lru_cache(maxsize=64)
def _blocks(text: str) -> tuple[Block, ...]:
    return tuple(blocks_of(text))


@functools.lru_cache(maxsize=1_024)
def _html(text: str) -> str:
    """Return a block of markdown as HTML; pages draw the same blocks again and again."""
    return safe.markdown(text, html=False)


def whole(conversation: Conversation, most: int, say: Say) -> dict[str, Any]:
    """Return *conversation* as the browser draws it: the last *most* turns of each lane."""
    return {
        "id": conversation.id,
        "name": safe.shown(conversation.name),
        "lanes": [_lane(one, most, say) for one in conversation.lanes],
    }


def _lane(one: Lane, most: int, say: Say) -> dict[str, Any]:
    path = one.path()
    drawn = last(path, most)
    return {
        "model": safe.shown(one.model, MAX_NAME_CHARACTERS),
        "before": len(path) - len(drawn),
        "turns": [turn(each, one, say) for each in drawn],
    }


def turn(one: Turn, lane: Lane, say: Say) -> dict[str, Any]:
    """Return a settled turn: all of it."""
    rest = [other.id for other in lane.turns if other.parent == one.parent]
    drawn = {
        "id": one.id,
        "role": one.role,
        "at": rest.index(one.id) + 1,
        "of": len(rest),
        **end(one, say),
    }
    if one.role == "assistant":
        drawn["blocks"] = [block(each) for each in _blocks(one.text)]
        drawn["reasoning"] = safe.shown(one.reasoning, len(one.reasoning))
    else:
        drawn["text"] = _preview(one.text)
        drawn["name"] = safe.shown(one.tool_name, MAX_NAME_CHARACTERS)
        drawn["files"] = [file(each, say) for each in one.attachments]
        drawn["pictures"] = [picture(each) for each in one.pictures]
    return drawn


def end(one: Turn, say: Say) -> dict[str, Any]:
    """Return what stands below an answer, and its calls."""
    return {
        "model": safe.shown(one.model, MAX_NAME_CHARACTERS),
        "state": one.state,
        "calls": [
            {
                "name": safe.shown(call.name, MAX_NAME_CHARACTERS),
                "arguments": _preview(call.arguments_json),
            }
            for call in one.calls
        ],
        "figures": figures(one.figures, say) if one.figures is not None else [],
        "why": why(one.figures, say) if one.figures is not None else [],
        "failure": failure(one),
    }


def failure(one: Turn) -> dict[str, str] | None:
    """Return why an answer did not come to its end, None where it did."""
    if one.failure is None:
        return None
    said = f"{one.failure.message.rstrip('.')} [{one.failure.reason}]"
    return {"said": safe.shown(said), "remedy": safe.shown(one.failure.remedy)}


def file(one: Attachment, say: Say) -> dict[str, str]:
    """Return an attachment as it is listed."""
    return {
        "name": safe.shown(one.name, MAX_NAME_CHARACTERS),
        "note": note(one, say),
        "text": _preview(one.text),
    }


def note(one: Attachment, say: Say) -> str:
    """Say how much of a file there is, and what was left out."""
    words = [say("chat.file.characters", count=len(one.text))]
    if one.note:
        words.append(say("chat.file.part", part=safe.shown(one.note)))
    return " · ".join(words)


def picture(one: Picture) -> dict[str, str]:
    """Return a picture as it is found in the browser."""
    return {"digest": one.digest, "name": safe.shown(one.name, MAX_NAME_CHARACTERS)}


def figures(one: Figures, say: Say) -> list[str]:
    """Return the figures of an answer, a short text each, the most wanted first."""
    told = []
    if one.first_token_ms:
        told.append(say("chat.figure.first", seconds=f"{one.first_token_ms / 1000:.2f}"))
    if one.tokens_per_second:
        told.append(say("chat.figure.rate", rate=f"{one.tokens_per_second:.1f}"))
    if one.completion_tokens:
        told.append(say("chat.figure.tokens", count=one.completion_tokens))
    if one.backend:
        told.append(one.backend.upper())
    if one.finish_reason:
        told.append(say(f"chat.finish.{one.finish_reason}"))
    return told


def why(one: Figures, say: Say) -> list[str]:
    """Return what stands behind the figures, for who unfolds them."""
    told = [
        say("chat.figure.prompt", count=one.prompt_tokens, cached=one.cached_tokens),
        say("chat.figure.times", queue=_s(one.queue_ms), load=_s(one.load_ms),
            prefill=_s(one.prefill_ms), decode=_s(one.decode_ms)),
    ]  # fmt: skip
    if one.reasoning_tokens:
        told.append(say("chat.figure.reasoning", count=one.reasoning_tokens))
    if one.media_tokens:
        told.append(say("chat.figure.media", count=one.media_tokens))
    if one.backend_reason:
        told.append(safe.shown(one.backend_reason))
    if one.runtime:
        told.append(say("chat.figure.runtime", runtime=safe.shown(one.runtime), seed=one.seed))
    return [*told, *(safe.shown(warning) for warning in one.warnings)]


def stage(one: Stage, say: Say) -> str:
    """Say what happens while there is no text yet; "" once there is."""
    match one.name:
        case "queued":
            return say("chat.stage.queued", count=one.position)
        case "loading":
            percent = f" {one.fraction:.0%}" if one.fraction else ""
            return say("chat.stage.loading", detail=safe.shown(one.detail) + percent)
        case "prefill":
            return say("chat.stage.prefill", percent=f"{one.fraction:.0%}")
        case "answer":
            return ""
        case _:
            return say("chat.stage.asked")


@dataclass(frozen=True, slots=True)
class DrawnStep:
    """
    What there is to draw of an answer in the making; foreign text as it came.

    Args:
        turn: as it stands.
        at: number of the first of `blocks`.
        more: finished blocks that are left for the next step.
        tail: what is not finished; of code, what is new behind `tail_from`.
        reasoning: what is new of it, behind `reasoning_from`.
    """

    turn: Turn
    at: int
    blocks: tuple[Block, ...]
    more: int
    tail: Block | None
    tail_from: int
    reasoning: str
    reasoning_from: int
    stage: Stage


class Cursor:
    """How much of an answer in the making a page has drawn."""

    def __init__(self) -> None:
        self._blocks = self._reasoning = self._tail = 0

    def step(self, running: Running) -> DrawnStep:
        """Return what there is to draw since the last step, and move on."""
        done = tuple(running.blocks.done[self._blocks : self._blocks + MAX_BLOCKS_AT_ONCE])
        at, self._blocks = self._blocks, self._blocks + len(done)
        more = len(running.blocks.done) - self._blocks
        tail = None if more else running.blocks.tail()
        tail_from = 0 if done or tail is None or tail.kind == "text" else self._tail
        self._tail = 0 if tail is None or tail.kind == "text" else len(tail.text)
        if tail is not None and tail_from:
            tail = replace(tail, text=tail.text[tail_from:])
        turn = running.turn()
        reasoning_from, self._reasoning = self._reasoning, len(turn.reasoning)
        return DrawnStep(
            replace(turn, text="", reasoning=""),
            at,
            done,
            more,
            tail,
            tail_from,
            turn.reasoning[reasoning_from:],
            reasoning_from,
            running.stage,
        )


def step(one: DrawnStep, lane: int, say: Say) -> dict[str, Any]:
    """Return *one* as the browser draws it."""
    return {
        "id": one.turn.id,
        "lane": lane,
        "from": one.at,
        "blocks": [block(each) for each in one.blocks],
        "more": one.more,
        "tail": None if one.tail is None else {**block(one.tail), "from": one.tail_from},
        "reasoning": safe.shown(one.reasoning, len(one.reasoning)),
        "reasoning_from": one.reasoning_from,
        "stage": stage(one.stage, say) if one.turn.state == "running" else "",
        **end(one.turn, say),
    }


def last(path: Sequence[Turn], most: int) -> list[Turn]:
    """Return the last *most* turns of *path*, fewer where they are long, but one at least."""
    picked: list[Turn] = []
    characters = 0
    for one in reversed(path):
        characters += len(one.text) + len(one.reasoning)
        if picked and (len(picked) >= most or characters > MAX_SHOWN_CHARACTERS):
            break
        picked.append(one)
    return picked[::-1]


def _preview(text: str) -> str:
    return safe.shown(text, MAX_PREVIEW_CHARACTERS)


def _s(spent_ms: int) -> str:
    return f"{spent_ms / 1000:.2f}"
