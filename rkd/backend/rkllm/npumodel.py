"""A model on the NPU with everything it is answered with, and the runs an answer takes."""

from __future__ import annotations

from dataclasses import dataclass, replace

from rkd.backend.backend import RunHandle, check_wanted
from rkd.backend.rkllm.abi_shared import RKLLMInferMode
from rkd.backend.rkllm.answer import CallbackAnswer, HiddenLayer, LastLogits
from rkd.backend.rkllm.engine import Engine, Turn
from rkd.backend.rkllm.prompt import Prompt, Prompts
from rkd.backend.rkllm.resident import LoadedModel
from rkd.backend.rkllm.runtime import RunParams, StatusError
from rkd.backend.rkllm.sessions import prefix_of
from rkd.backend.rkllm.sight import NpuSight
from rkd.librkllmrt import Family

CONTINUED = "the model ended inside its reasoning: that was closed, and it was asked to go on"
LEAST_ROOM_TOKENS = 32
"""With less of the context left an answer is not continued behind its reasoning."""

BYTES_OF_TOKEN = 2


@dataclass(frozen=True, slots=True)
class NpuModel:
    """Everything a loaded model consists of."""

    resident: LoadedModel
    engine: Engine
    prompts: Prompts
    family: Family
    adapters: dict[str, float]
    loop_guard: int
    sight: NpuSight

    def answer(self, prompt: Prompt, params: RunParams, answer: CallbackAnswer) -> tuple[str, ...]:
        """Let the library answer *prompt*, in as many runs as it takes; what to warn of."""
        self.resident.run(params, answer.on_result, read=prefix_of(prompt))
        if self.engine.just_aborted and answer.untouched:
            # Whether an abort that came too late ends the next run is not documented; an answer
            # without one token may be its doing, so it is asked for once more.
            self.resident.run(params, answer.on_result)
        if not (answer.lost_in_thought and prompt.silent):
            return ()
        # Without a tokenizer by a guess on the safe side: what was cached the library leaves out.
        read = len(prompt.tokens or ()) or len(prompt.text.encode()) // BYTES_OF_TOKEN
        if read + answer.tokens + LEAST_ROOM_TOKENS > self.resident.context_tokens:
            return ()
        self.resident.run(self._behind_reasoning(prompt, params, answer), answer.on_result)
        return (CONTINUED,)

    def _behind_reasoning(
        self, prompt: Prompt, params: RunParams, answer: CallbackAnswer
    ) -> RunParams:
        """The run that continues *answer*, which the model ended inside its reasoning."""
        text = prompt.text + answer.end_reasoning()
        tokens = None
        if self.prompts.tokenizer is not None and prompt.tokens is not None:
            tokens = self.prompts.tokenizer.encode(text, add_special=False, parse_special=True)
        left = max(params.max_tokens - answer.tokens, 1) if params.max_tokens > 0 else 0
        # What is kept of the conversation is of its own prompt, and is written by now.
        return replace(params, tokens=tokens, text=text, max_tokens=left, save_cache="")

    def give(
        self,
        prompt: Prompt,
        mode: RKLLMInferMode,
        taken: HiddenLayer | LastLogits,
        handle: RunHandle,
    ) -> None:
        """
        Let the library give what it made of *prompt*, in place of an answer.

        Raises:
            RkdError: it failed, or *handle* was cancelled.
        """
        params = RunParams(tokens=prompt.tokens, text=prompt.text, mode=mode)

        def work() -> None:
            self.resident.prepare(prompt, None)
            try:
                self.resident.run(params, taken.on_result)
            except StatusError as error:
                raise self.resident.failure(error.status) from error

        turn = Turn(work)
        handle.on_cancel(turn.stop)
        if not self.engine.perform(turn) and self.engine.lost:
            self.engine.await_end()
        check_wanted(handle)
        if taken.failed:
            raise self.resident.failure(0)
