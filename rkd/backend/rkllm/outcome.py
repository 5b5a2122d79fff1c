"""What is told of a run when it is over. Pure."""

from __future__ import annotations

from rkd.backend.rkllm.answer import CallbackAnswer
from rkd.inference import EngineTimings, FinishReason, Outcome, TemplateWay, Usage

CIRCLE = "the answer ran in a circle of {} tokens and was ended (loop_guard)"
UNCOUNTED = "this runtime does not count the prompt, and there is no tokenizer beside the weights"


def outcome_of(
    answer: CallbackAnswer,
    *,
    prompt_tokens: int,
    context_tokens: int,
    cancelled: bool,
    template_way: TemplateWay,
    warnings: tuple[str, ...],
) -> Outcome:
    """
    Say how *answer* ended.

    Args:
        answer: the finished answer.
        prompt_tokens: counted by the tokenizer; 0 where there is none, then the runtime's own
            figure is taken, which leaves out what it had cached.
        context_tokens: the loaded context.
        cancelled: nobody wanted it any more.
        template_way: which template made the prompt.
        warnings: what to tell the user.
    """
    prefill_ms, decode_ms = answer.measured_ms
    computed = 0
    if answer.perf:
        prefill_ms, computed, decode_ms, _ = answer.perf
    prompt = prompt_tokens or computed
    cached = max(prompt - computed, 0) if answer.perf else 0
    if answer.circle_tokens:
        warnings = (*warnings, CIRCLE.format(answer.circle_tokens))
    if not prompt:
        warnings = (*warnings, UNCOUNTED)
    return Outcome(
        reason=_reason(answer, prompt, context_tokens, cancelled=cancelled),
        usage=Usage(prompt, cached, answer.tokens, answer.reasoning_tokens),
        timings=EngineTimings(prefill_ms, decode_ms),
        matched_stop=answer.matched_stop,
        matched_token_id=answer.matched_token_id,
        template_way=template_way,
        warnings=(*warnings, *answer.warnings),
    )


def _reason(
    answer: CallbackAnswer, prompt_tokens: int, context_tokens: int, *, cancelled: bool
) -> FinishReason:
    if cancelled:
        return FinishReason.CANCELLED
    if answer.matched_stop or answer.matched_token_id is not None:
        return FinishReason.STOP_SEQUENCE
    if answer.calls:
        return FinishReason.TOOL_CALL
    if answer.limit_reached or answer.circle_tokens:
        return FinishReason.LENGTH
    if prompt_tokens and prompt_tokens + answer.tokens >= context_tokens:
        return FinishReason.CONTEXT_FULL
    return FinishReason.STOP_EOS
