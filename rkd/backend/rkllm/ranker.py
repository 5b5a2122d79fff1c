"""
Scores of documents on the NPU: the model's "yes" against its "no", from the logits it gives.

The runtime gives logits since 1.2.0; how they are laid out on a board was not seen
(docs/board.md).
"""

from __future__ import annotations

from collections.abc import Callable

from rkd.backend.backend import RunHandle, wanted
from rkd.backend.rkllm.abi_shared import RKLLMInferMode
from rkd.backend.rkllm.answer import LastLogits
from rkd.backend.rkllm.prompt import Prompt, Prompts
from rkd.backend.text.scores import NO, YES, check_rank, fitted, no_words, of_log_odds
from rkd.capability.ability import no, refusal
from rkd.capability.judges import ON_CPU
from rkd.inference import Ranking, RankSpec, TemplateWay

Give = Callable[[Prompt, RKLLMInferMode, LastLogits, RunHandle], None]
"""Runs the model on a prompt and hands on what it gives; raises RkdError when it fails."""


class NpuRanker:
    """
    Asks the model whether a document is relevant.

    Args:
        prompts: its tokenizer and templates.
        context: tokens it holds.
        give: runs it.
    """

    def __init__(self, prompts: Prompts, context: int, give: Give) -> None:
        self._prompts = prompts
        self._context = context
        self._give = give

    def rank(self, spec: RankSpec, handle: RunHandle) -> Ranking:
        """Score the documents of *spec*; raises as `Backend.rank`."""
        check_rank(spec, self._prompts.traits)
        tokenizer, template = self._prompts.tokenizer, self._prompts.rank_template
        if tokenizer is None:
            raise AssertionError("without a tokenizer `rerank` is refused")
        words = [tokenizer.encode(one, add_special=False, parse_special=True) for one in (YES, NO)]
        if any(len(word) != 1 for word in words):
            raise no_words()

        def tokens(document: str) -> tuple[int, ...]:
            text = template.prompt(spec, document)
            return tokenizer.encode(text, add_special=False, parse_special=True)

        scores: list[float] = []
        total = 0
        for at, document in enumerate(wanted(spec.documents, handle)):
            fitting = fitted(
                at,
                document,
                lambda one: len(tokens(one)),
                self._context - 1,
                truncate=spec.truncate,
            )
            prompt = Prompt(TemplateWay.RAW, tokens(fitting), split=False)
            yes, no = self._logits(prompt, [word[0] for word in words], handle)
            scores.append(of_log_odds(yes - no, normalize=spec.normalize))
            total += len(prompt.tokens or ())
        return Ranking(tuple(scores), total)

    def _logits(self, prompt: Prompt, words: list[int], handle: RunHandle) -> tuple[float, ...]:
        logits = LastLogits(words)
        self._give(prompt, RKLLMInferMode.RKLLM_INFER_GET_LOGITS, logits, handle)
        if not logits.found:
            why = "its runtime gave no logits of yes and no"
            raise refusal("rerank", no(why, ON_CPU))
        return logits.found
