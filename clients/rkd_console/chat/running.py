"""
One answer in the making: it goes on whether or not a page looks at it.

What has come is kept in memory alone, as text and as finished blocks; pages are told that there
is more, and take it at their own pace.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Any

from rkd_client.errors import RkdError
from rkd_client.v1 import types

from rkd_console.chat.blocks import Blocks
from rkd_console.chat.conversation import (
    MAX_TEXT_CHARACTERS,
    AnswerFailure,
    AnswerState,
    CalledFunction,
    Figures,
    Turn,
)

STOP_WITHIN_S = 3.0
"""So long the daemon has to end an answer itself, with its figures; then the call is given up."""
MAX_CALLS = 64
PART_CHARACTERS = 32 << 10
MAX_NAME_CHARACTERS = 512
MAX_LINE_CHARACTERS = 4_000


@dataclass(frozen=True, slots=True)
class Stage:
    """What happens while there is no text yet: `queued`, `loading`, `prefill`, `answer`."""

    name: str = "asked"
    detail: str = ""
    fraction: float = 0.0
    position: int = 0


class Running:
    """
    An answer in the making.

    Args:
        turn: what it becomes; text in it already is gone on with.
        answer: the call, of which nothing has been read.
        cancel: asks the daemon to end the request of an id.

    Attributes:
        blocks: of its text.
        listeners: called after each change, on the event loop; they take no time.
    """

    def __init__(self, turn: Turn, answer: Any, cancel: Callable[[str], Awaitable[object]]) -> None:
        self.id, self.model = turn.id, turn.model
        self.blocks = Blocks()
        self.blocks.add(turn.text)
        self.listeners: set[Callable[[], None]] = set()
        self.stage = Stage()
        self.characters = len(turn.text) + len(turn.reasoning)
        self._turn, self._answer, self._cancel = turn, answer, cancel
        self._text, self._reasoning = [turn.text], [turn.reasoning]
        self._calls: list[list[str]] = [
            [one.id, one.name, one.arguments_json] for one in turn.calls
        ]
        self._figures = Figures()
        self._failure: AnswerFailure | None = None
        self._state: AnswerState = "running"
        self._request_id = ""
        self._stopping = False
        self._task: asyncio.Task[None] | None = None

    @property
    def ended(self) -> bool:
        """Whether nothing more comes."""
        return self._state != "running"

    @property
    def reasoning(self) -> str:
        """What the model thought so far."""
        self._reasoning = ["".join(self._reasoning)]
        return self._reasoning[0]

    def turn(self) -> Turn:
        """Return the turn as it stands."""
        self._text = ["".join(self._text)]
        return replace(
            self._turn,
            text=self._text[0],
            reasoning=self.reasoning,
            calls=tuple(CalledFunction(*one) for one in self._calls),
            state=self._state,
            figures=self._figures if self._figures != Figures() else None,
            failure=self._failure,
        )

    def begin(self) -> None:
        """Start to read the answer."""
        self._task = asyncio.create_task(self._read(), name=f"chat answer {self.id}")

    async def stop(self) -> None:
        """End the answer; what has come stays."""
        if self._task is None or self.ended:
            return
        self._stopping = True
        if self._request_id:
            with contextlib.suppress(RkdError, TimeoutError):
                async with asyncio.timeout(STOP_WITHIN_S):
                    await self._cancel(self._request_id)
                    await asyncio.shield(self._task)
        await self.close()

    async def close(self) -> None:
        """Give the call up and wait until it is."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _read(self) -> None:
        state: AnswerState = "stopped"
        try:
            async for event in self._answer.events():
                await self._take(event)
                if self.characters > MAX_TEXT_CHARACTERS:
                    self._failure = _too_long()
                    break
                self._tell()
            else:
                state = "done"
        except RkdError as error:
            state = "failed"
            self._failure = AnswerFailure(
                error.reason[:512],
                error.message[:MAX_LINE_CHARACTERS],
                error.remedy[:MAX_LINE_CHARACTERS],
            )
        finally:
            await self._answer.close()
            if self._stopping:
                state, self._failure = "stopped", None
            self._state = state
            self.blocks.end()
            self._tell()

    async def _take(self, event: object) -> None:
        """See *event*; of much text at once, a part after the other, that others come between."""
        text = event.text if isinstance(event, types.Delta) else ""
        for at in range(PART_CHARACTERS, len(text), PART_CHARACTERS):
            self._see(types.Delta(text=text[at - PART_CHARACTERS : at]))
            await asyncio.sleep(0)
        if isinstance(event, types.Delta) and len(text) > PART_CHARACTERS:
            left = (len(text) - 1) % PART_CHARACTERS + 1
            event = replace(event, text=text[-left:])
        self._see(event)

    def _tell(self) -> None:
        for one in tuple(self.listeners):
            one()

    def _see(self, event: object) -> None:
        match event:
            case types.Delta():
                self._add(event)
            case types.Accepted():
                self._request_id = event.request_id
                self._figures = replace(
                    self._figures, backend=event.backend, backend_reason=_line(event.backend_reason)
                )
            case types.Queued():
                self.stage = Stage("queued", position=event.position)
            case types.Loading():
                self.stage = Stage(
                    "loading", _line(event.detail or event.stage), event.fraction or 0
                )
            case types.Prefill():
                done = event.processed_tokens / event.total_tokens if event.total_tokens else 0
                self.stage = Stage("prefill", fraction=min(done, 1.0))
            case types.Finished():
                self._figures = figures(event)
            case _:
                pass

    def _add(self, piece: types.Delta) -> None:
        self.stage = Stage("answer")
        if text := self._within(piece.text):
            self._text.append(text)
            self.blocks.add(text)
        if reasoning := self._within(piece.reasoning_text):
            self._reasoning.append(reasoning)
        for call in piece.tool_calls:
            while len(self._calls) <= call.index < MAX_CALLS:
                self._calls.append(["", "", ""])
            if call.index < len(self._calls):
                one = self._calls[call.index]
                one[0] = (one[0] + call.id)[:MAX_NAME_CHARACTERS]
                one[1] = (one[1] + call.name)[:MAX_NAME_CHARACTERS]
                one[2] += self._within(call.arguments)

    def _within(self, text: str) -> str:
        """Count *text*, and return what of it an answer may still have."""
        room = max(0, MAX_TEXT_CHARACTERS - self.characters)
        self.characters += len(text)
        return text[:room]


def figures(finished: types.Finished) -> Figures:
    """Return what *finished* tells, as it is kept and shown."""
    usage, times = finished.usage, finished.timings
    return Figures(
        backend=finished.backend,
        backend_reason=_line(finished.backend_reason),
        runtime=finished.runtime[:512],
        finish_reason=finished.finish_reason,
        queue_ms=_ms(times.queue_s),
        load_ms=_ms(times.load_s),
        first_token_ms=_ms(times.first_token_s),
        prefill_ms=_ms(times.prefill_s),
        decode_ms=_ms(times.decode_s),
        prompt_tokens=usage.prompt_tokens,
        cached_tokens=usage.cached_tokens,
        media_tokens=usage.media_tokens,
        completion_tokens=usage.completion_tokens,
        reasoning_tokens=usage.reasoning_tokens,
        seed=finished.seed,
        warnings=tuple(_line(one) for one in finished.warnings[:16]),
    )


def _ms(spent_s: float | None) -> int:
    return max(0, math.ceil((spent_s or 0.0) * 1000))


def _line(text: str) -> str:
    return text[:MAX_LINE_CHARACTERS]


def _too_long() -> AnswerFailure:
    return AnswerFailure(
        "ANSWER_TOO_LONG",
        f"the answer has more than {MAX_TEXT_CHARACTERS} characters: it was stopped here",
        "set `max_tokens`",
    )
