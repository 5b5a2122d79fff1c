"""
One answer of llama-server as it arrives: its events in, our chunks out, the outcome at the end.

The engine cuts stop sequences and holds back incomplete characters itself; reasoning and tool
calls are taken apart here, as on the NPU.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from typing import Any

from rkd.backend.backend import Emit, RunHandle
from rkd.backend.llamacpp.fragments import Fragments
from rkd.backend.llamacpp.http import Json
from rkd.backend.llamacpp.record import TokenRecord
from rkd.backend.llamacpp.turns import ReasoningTurn
from rkd.backend.text.calls.table import HERMES, CallFormat
from rkd.backend.text.splitter import AnswerSplitter, Split, splitter_for
from rkd.inference import (
    Chunk,
    EngineTimings,
    FinishReason,
    Outcome,
    PrefillProgress,
    Run,
    TemplateWay,
    Usage,
)

SEED_VALUES = 2**32 - 1
"""The engine reads 2^32-1 as "draw one", so seeds stay below."""

MOST_ENTRIES = 256
"""Of probabilities told at once: some 200 kB with twenty rivals each."""

_REASONS = {"eos": FinishReason.STOP_EOS, "word": FinishReason.STOP_SEQUENCE}


class EventAnswer:
    """
    Collects one run's events; used on the run's thread.

    Args:
        run: what was asked.
        prompt: as sent, to know whether the template opened a reasoning block.
        emit: takes the chunks.
        handle: after a cancel nothing is emitted any more.
        row: how the model writes tool calls.
        stop_tokens: the tokens that end it, with their text.
        fragments: finds tokens that are no whole character, where they are wanted.
    """

    def __init__(
        self,
        run: Run,
        prompt: str | list[int],
        emit: Emit,
        handle: RunHandle,
        row: CallFormat = HERMES,
        *,
        stop_tokens: Mapping[int, str] | None = None,
        fragments: Fragments | None = None,
    ) -> None:
        self._run = run
        self._emit = emit
        self._handle = handle
        chat = bool(run.messages) and not run.prompt_tokens and run.suffix is None
        self._splitter = (
            splitter_for(run, prompt if isinstance(prompt, str) else "", row)
            if chat
            else AnswerSplitter(reasoning=False)
        )
        self._turn = ReasoningTurn(self._splitter)
        self._base = 0
        self._wants_tokens = run.sampling.max_tokens != 0
        asked = run.sampling.seed
        self.seed = secrets.randbelow(SEED_VALUES) if asked is None else asked
        self._last: Json = {}
        self._prompt_tokens = 0
        self._tokens = 0
        self._told = 0
        self._reasoning_tokens = 0
        self.fragments = fragments
        self.alternatives = run.sampling.logprobs or 0
        """How many rivals of each token are wanted."""
        self.record = TokenRecord(run.sampling.logprobs, fragments)
        """Ids and probabilities of its tokens."""
        self._held: list[str] | None = None
        self._arguments: list[str] = []
        self.called = ""
        """The name of the last tool it called."""
        if run.sampling.constrained:
            self._held = []
        self._stop_tokens = stop_tokens or {}
        self._matched: int | None = None
        self._warnings: list[str] = []

    def take(self, event: Json) -> None:
        """Take the next event."""
        progress = event.get("prompt_progress")
        if progress is not None:
            self._prompt_tokens = int(progress["total"])
            if progress["processed"] and not self._handle.cancelled:
                done, cached = int(progress["processed"]), int(progress["cache"])
                self._emit(PrefillProgress(self._prompt_tokens, done, cached))
            return
        self._last = event
        if not self._wants_tokens:
            return
        counted = self._base + int(event["tokens_predicted"])
        if self._splitter.in_reasoning:
            self._reasoning_tokens += counted - self._tokens
        self.record.take(event, counted - self._tokens)
        self._tokens = counted
        text = self._turn.heard(self._before_stop(event))
        if text:
            if self._held is not None:
                self._held.append(text)
            self._put(self._splitter.feed(text))
        self._turn.look(self._reasoning_tokens)

    def _before_stop(self, event: Json) -> str:
        """Return the text of *event*, without that of a token that ends the answer."""
        text: str = event["content"]
        found = [one for one in event.get("tokens") or () if one in self._stop_tokens]
        if not found:
            return text
        self._matched = found[0]
        return text.removesuffix(self._stop_tokens[found[0]])

    @property
    def stopped(self) -> bool:
        """Whether a token came that ends the answer: the engine is to be left."""
        return self._matched is not None

    @property
    def turn(self) -> ReasoningTurn:
        """Whether and how the engine is to be asked again."""
        return self._turn

    @property
    def held(self) -> str:
        """What a constraint holds: the text of the last request, or a forced call's arguments."""
        return "".join(self._arguments if self._run.forces_call else self._held or ())

    @property
    def ended(self) -> bool:
        """Whether the engine ended the answer itself, as its grammar would have it."""
        return self._wants_tokens and not self.stopped and self._last.get("stop_type") == "eos"

    @property
    def calls(self) -> int:
        """How many tool calls it has made, whole."""
        return self._splitter.calls

    def go_on(self) -> str:
        """Begin another request to the engine; return what stands behind the prompt by then."""
        self._base = self._tokens
        if self._held is not None:
            self._held.clear()
        behind, tag = self._turn.take()
        self._put(self._splitter.feed(tag))
        return behind

    def write(self, text: str) -> None:
        """Take *text*, which stands in the prompt, as the beginning of what comes."""
        self._put(self._splitter.feed(text))

    def force(self, name: str, ident: str) -> None:
        """Take what comes from here on as the arguments of a call of *name*."""
        self._splitter.force(name, ident)

    @property
    def remaining_tokens(self) -> int | None:
        """How many tokens it may still have; None for no limit."""
        limit = self._run.sampling.max_tokens
        return limit if not limit else max(limit - self._tokens, 0)

    def finish(self) -> None:
        """Take the end of the stream: what was held back comes out."""
        self._put(self._splitter.flush(), last=True)

    def _put(self, split: Split, *, last: bool = False) -> None:
        for piece in split.tool_calls:
            if piece.name:
                self.called = piece.name
                self._arguments.clear()
            self._arguments.append(piece.arguments)
        visible = split.text or split.reasoning or split.tool_calls
        counted = self._tokens - self._told
        if self._handle.cancelled or not (visible or (last and counted)):
            return
        self._told = self._tokens
        ids, logprobs = self.record.new_ids(), self.record.new_logprobs()
        self._emit(Chunk(split.text, split.reasoning, split.tool_calls, ids, logprobs, counted))

    @property
    def single(self) -> bool:
        """Whether one request made it: what stands before each token is the prompt and the rest."""
        return not self._base

    def tell_rest(self) -> None:
        """Tell the probabilities that had to wait; those nobody knows are left out, and said."""
        if gone := self.record.give_up():
            self._warnings.append(
                f"the probabilities of {gone} tokens that are no whole character are not known"
            )
        if self.record.lost:
            self._warnings.append(
                f"the ids of {self.record.lost} tokens that are no whole character are not known"
            )
        while not self._handle.cancelled and (entries := self.record.new_logprobs(MOST_ENTRIES)):
            self._emit(Chunk(logprobs=entries))

    def outcome(
        self,
        way: TemplateWay,
        warnings: tuple[str, ...],
        *,
        reason: FinishReason | None = None,
    ) -> Outcome:
        """Say how the run ended; *reason* overrules the engine's."""
        last = self._last
        timings: Any = last.get("timings", {})
        wants = self._wants_tokens
        completion = self._completion() if wants else 0
        # A second request reads what was made by then as prompt.
        read = int(last.get("tokens_evaluated", self._prompt_tokens)) - self._base
        return Outcome(
            reason=reason or self._reason(),
            usage=Usage(
                prompt_tokens=max(read, 0),
                cached_tokens=max(min(int(timings.get("cache_n", 0)), read), 0),
                completion_tokens=completion,
                reasoning_tokens=min(self._reasoning_tokens, completion),
            ),
            timings=EngineTimings(
                float(timings.get("prompt_ms", 0)), float(timings.get("predicted_ms", 0))
            ),
            matched_stop=self._matched_stop() if wants else "",
            matched_token_id=self._matched,
            seed=self.seed,
            template_way=way,
            warnings=(
                *(*warnings, *self._turn.warnings),
                *(*self._splitter.warnings, *self._warnings),
            ),
        )

    def _matched_stop(self) -> str:
        if self._matched is not None:
            return self._stop_tokens[self._matched]
        return str(self._last.get("stopping_word", ""))

    def _completion(self) -> int:
        if "tokens_predicted" not in self._last:
            return self._tokens
        return self._base + int(self._last["tokens_predicted"])

    def _reason(self) -> FinishReason:
        if self._splitter.calls:
            return FinishReason.TOOL_CALL
        limit = self._run.sampling.max_tokens
        if not self._wants_tokens:
            return FinishReason.LENGTH
        if self.stopped:
            return FinishReason.STOP_SEQUENCE
        known = _REASONS.get(str(self._last.get("stop_type")))
        if known is not None:
            return known
        reached = limit is not None and self._completion() >= limit
        return FinishReason.LENGTH if reached else FinishReason.CONTEXT_FULL
