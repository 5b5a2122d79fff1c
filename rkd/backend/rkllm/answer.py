"""
One answer while it is made: from the library's callbacks to chunks, on the library's thread.

Knows text, stops and limits; how a run is stopped is told to it as a call.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from rkd.backend.backend import Emit, RunHandle
from rkd.backend.rkllm.abi_shared import LLMCallState
from rkd.backend.text.circle import LoopGuard
from rkd.backend.text.splitter import AnswerSplitter, Split
from rkd.backend.text.text import StopCutter, Utf8Assembler
from rkd.inference import Chunk

_NORMAL = LLMCallState.RKLLM_RUN_NORMAL.value
_WAITING = LLMCallState.RKLLM_RUN_WAITING.value
_FINISH = LLMCallState.RKLLM_RUN_FINISH.value
_ERROR = LLMCallState.RKLLM_RUN_ERROR.value


class CallbackAnswer:
    """
    Takes what the library gives and emits what people may see.

    Args:
        handle: whether the run is still wanted.
        emit: takes the chunks.
        stops: stop sequences.
        max_tokens: end after so many; 0 means no limit.
        splitter: separates reasoning and calls; None for raw text.
        stop: asks the engine to end this run; called once, returns at once.
        hidden: special tokens, by id, whose text is for nobody to see.
        stop_tokens: tokens that end the answer; their text is no part of it.
        loop_guard: end it when so many tokens are a circle; 0 never does.
    """

    def __init__(
        self,
        *,
        handle: RunHandle,
        emit: Emit,
        stops: tuple[str, ...],
        max_tokens: int,
        splitter: AnswerSplitter | None,
        stop: Callable[[], None],
        hidden: Mapping[int, str] | None = None,
        stop_tokens: tuple[int, ...] = (),
        loop_guard: int = 0,
    ) -> None:
        self._handle = handle
        self._emit = emit
        self._max_tokens = max_tokens
        self._splitter = splitter
        self._stop = stop
        self._hidden = hidden or {}
        self._hidden_texts = {text.encode() for text in self._hidden.values()}
        self._assembler = Utf8Assembler()
        self._cutter = StopCutter(stops)
        self._stop_tokens = frozenset(stop_tokens)
        self._guard = LoopGuard(loop_guard)
        self._said: list[str] = []
        self.matched_token_id: int | None = None
        self.closed = False
        """Nothing more comes out: cancelled, stopped, or long enough."""
        self._uncounted: list[int] = []
        self.tokens = 0
        """Tokens made, those that only completed a character included."""
        self.reasoning_tokens = 0
        self.failed = False
        self.perf: tuple[float, int, float, int] | None = None
        """Prefill milliseconds and tokens, decode milliseconds and tokens, where told."""
        self._began_s = self._first_s = self._last_s = 0.0

    @property
    def matched_stop(self) -> str:
        """The stop sequence that ended it, or ""."""
        return self._cutter.matched or ""

    @property
    def calls(self) -> int:
        """How many tool calls it made."""
        return self._splitter.calls if self._splitter else 0

    @property
    def warnings(self) -> tuple[str, ...]:
        """What was wrong with the answer."""
        return self._splitter.warnings if self._splitter else ()

    @property
    def limit_reached(self) -> bool:
        """Whether it has as many tokens as were asked for."""
        return 0 < self._max_tokens <= self.tokens

    @property
    def circle_tokens(self) -> int:
        """How long the circle is it ran in when it was ended; 0 for none."""
        return self._guard.period

    @property
    def lost_in_thought(self) -> bool:
        """Whether the model ended it inside its reasoning: nothing of the answer has come."""
        mine = self.tokens and not (self.closed or self.failed or self._handle.cancelled)
        return bool(mine) and self._splitter is not None and self._splitter.in_reasoning

    @property
    def untouched(self) -> bool:
        """Whether nothing came, nothing failed, and nobody asked for the end."""
        return not (self.tokens or self.failed or self.closed or self._handle.cancelled)

    @property
    def measured_ms(self) -> tuple[float, float]:
        """Time to the first token and from there to the end, by our own clock."""
        if not self._first_s:
            return 0.0, 0.0
        return (self._first_s - self._began_s) * 1e3, (self._last_s - self._first_s) * 1e3

    def begin(self) -> None:
        """Say that the library is about to be asked."""
        self._began_s = time.monotonic()

    def on_result(self, result: Any, state: int) -> None:
        """Take one callback of the library."""
        if state == _NORMAL:
            self._token(result.text, result.token_id)
        elif state == _WAITING:
            # Its text is a piece of a character that comes whole with a later NORMAL.
            self._token(None, result.token_id)
        elif state == _FINISH:
            self._figures(result)
        elif state == _ERROR:
            self.failed = True

    def end_reasoning(self) -> str:
        """End the reasoning in the model's place; return what was said, that end included."""
        self._show(self._cut(self._assembler.flush()) + self._cutter.flush())
        ending = self._splitter.ending if self._splitter else ""
        self._show(ending)
        return "".join(self._said)

    def finish(self) -> None:
        """Emit what was held back, once the library is done and the run still wanted."""
        self._last_s = time.monotonic()
        if self._handle.cancelled:
            return
        if self._cutter.matched is None:
            self._show(self._cut(self._assembler.flush()) + self._cutter.flush())
        if self._splitter:
            self._put(self._splitter.flush())
        if self._uncounted:
            self._put(Split(), flush=True)

    def _token(self, data: bytes | None, token_id: int) -> None:
        if self.closed:
            return
        if self._handle.cancelled:
            self._end()
            return
        if not self.tokens:
            self._first_s = time.monotonic()
        self.tokens += 1
        self._uncounted.append(token_id)
        if self._splitter is not None and self._splitter.in_reasoning:
            self.reasoning_tokens += 1
        if token_id in self._stop_tokens:
            self.matched_token_id = token_id
            self._end()
            return
        if data and token_id not in self._hidden and data not in self._hidden_texts:
            self._show(self._cut(self._assembler.feed(data)))
        # Its text as well: nobody has said that every release gives every token's id.
        circles = self._guard.feed(hash((token_id, data)))
        if circles or self.limit_reached or self._cutter.matched is not None:
            self._end()

    def _cut(self, text: str) -> str:
        return self._cutter.feed(text)[0] if text else ""

    def _show(self, text: str) -> None:
        if text:
            if self._splitter is not None and (self._splitter.in_reasoning or not self._said):
                self._said.append(text)
            self._put(self._splitter.feed(text) if self._splitter else Split(text))

    def _put(self, split: Split, *, flush: bool = False) -> None:
        if not (flush or split.text or split.reasoning or split.tool_calls):
            return
        ids, self._uncounted = self._uncounted, []
        self._emit(Chunk(split.text, split.reasoning, split.tool_calls, tuple(ids), (), len(ids)))

    def _end(self) -> None:
        self.closed = True
        self._stop()

    def _figures(self, result: Any) -> None:
        perf = getattr(result, "perf", None)
        if perf is not None:
            # An answer that was continued behind its reasoning is two runs of the library.
            before = self.perf or (0.0, 0, 0.0, 0)
            self.perf = (
                before[0] + perf.prefill_time_ms,
                before[1] + perf.prefill_tokens,
                before[2] + perf.generate_time_ms,
                before[3] + perf.generate_tokens,
            )


class HiddenLayer:
    """Takes the last hidden layer of one text; the vector is that of its last token."""

    def __init__(self) -> None:
        self.vector: tuple[float, ...] = ()
        self.tokens = 0
        self.failed = False

    def on_result(self, result: Any, state: int) -> None:
        """Take one callback; what it points to is gone when it returns."""
        if state == _ERROR:
            self.failed = True
        layer = result.last_hidden_layer
        if not layer.hidden_states or layer.embd_size <= 0 or layer.num_tokens <= 0:
            return
        start = (layer.num_tokens - 1) * layer.embd_size
        self.vector = tuple(layer.hidden_states[start : start + layer.embd_size])
        self.tokens = layer.num_tokens


class LastLogits:
    """
    Takes what the model thinks of a text's next token; keeps the logits of a few.

    Args:
        wanted: ids of the tokens.
    """

    def __init__(self, wanted: Sequence[int]) -> None:
        self._wanted = wanted
        self.found: tuple[float, ...] = ()
        """In the order asked for."""
        self.failed = False

    def on_result(self, result: Any, state: int) -> None:
        """Take one callback; what it points to is gone when it returns."""
        if state == _ERROR:
            self.failed = True
        last = result.logits
        if not last.logits or last.num_tokens <= 0 or max(self._wanted) >= last.vocab_size:
            return
        start = (last.num_tokens - 1) * last.vocab_size
        self.found = tuple(float(last.logits[start + token]) for token in self._wanted)
