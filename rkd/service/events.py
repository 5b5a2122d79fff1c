"""The events of an inference stream, from the pool's plain types; pure."""

from __future__ import annotations

from rkd.inference import Chunk, Outcome, PrefillProgress, TemplateWay
from rkd.outside import escaped
from rkd.pool.deciding.state import LoadPlan
from rkd.pool.ticket import Loading, Queued, Served
from rkd.service import onwire
from rkd.tokens import Logprob, TokenLogprobs
from rkd.v1 import types_pb2 as pb


def accepted(
    request_id: str, plan: LoadPlan, way: TemplateWay, capabilities: pb.Capabilities | None = None
) -> pb.Accepted:
    """First event."""
    return onwire.message(
        pb.Accepted,
        request_id=request_id,
        model=plan.model,
        backend=plan.backend,
        backend_reason=plan.reason,
        template_source=way.value,
        capabilities=capabilities,
    )


def queued(update: Queued) -> pb.Queued:
    """Waiting."""
    event = pb.Queued(position=update.position)
    if update.estimate_s is not None:
        onwire.span(event.estimated_wait, update.estimate_s)
    return event


def loading(update: Loading) -> pb.Loading:
    """Making the model resident."""
    event = onwire.message(
        pb.Loading,
        stage=update.stage,
        backend=update.backend,
        evicting=update.evicting,
        detail=update.detail,
    )
    if update.fraction >= 0:
        event.fraction = update.fraction
    return event


def prefill(progress: PrefillProgress) -> pb.Prefill:
    """Reading the prompt."""
    return onwire.like(pb.Prefill, progress)


def delta(chunk: Chunk, *, with_ids: bool) -> pb.Delta:
    """A piece of the answer; the common one is text alone."""
    event = pb.Delta(text=chunk.text)
    if chunk.reasoning:
        event.reasoning_text = chunk.reasoning
    for call in chunk.tool_calls:
        event.tool_calls.add(index=call.index, id=call.id, name=call.name, arguments=call.arguments)
    if chunk.answer:
        event.answer = chunk.answer
    if with_ids:
        event.token_ids.extend(chunk.token_ids)
    for entry in chunk.logprobs:
        event.logprobs.append(_logprobs(entry))
    return event


def _logprobs(entry: TokenLogprobs) -> pb.TokenLogprobs:
    return pb.TokenLogprobs(
        chosen=_logprob(entry.chosen), alternatives=map(_logprob, entry.alternatives)
    )


def _logprob(one: Logprob) -> pb.Logprob:
    return pb.Logprob(token_id=one.token_id, text=one.text, logprob=one.logprob)


def finished(served: Served, first_token_s: float) -> pb.Finished:
    """Last event."""
    outcome = served.outcome
    event = _ended(outcome, served.plan, first_token_s)
    event.usage.CopyFrom(onwire.like(pb.Usage, outcome.usage))
    event.answers.extend(map(_answer_end, outcome.answers))
    onwire.span(event.timings.queue, served.queue_ms / 1000)
    onwire.span(event.timings.load, served.load_ms / 1000)
    onwire.span(event.timings.prefill, outcome.timings.prefill_ms / 1000)
    onwire.span(event.timings.decode, outcome.timings.decode_ms / 1000)
    told = (*served.plan.warnings, *served.loaded.warnings, *outcome.warnings)
    event.warnings.extend(map(escaped, told))
    event.runtime = escaped(served.loaded.runtime)
    return event


def _answer_end(outcome: Outcome) -> pb.AnswerEnd:
    return onwire.message(
        pb.AnswerEnd,
        finish_reason=f"FINISH_REASON_{outcome.reason.value}",
        matched_stop=outcome.matched_stop,
        matched_token_id=outcome.matched_token_id,
        usage=onwire.like(pb.Usage, outcome.usage),
        seed=outcome.seed,
    )


def cut_short(outcome: Outcome, plan: LoadPlan, tokens: int, first_token_s: float) -> pb.Finished:
    """Last event of a run that another client stopped."""
    event = _ended(outcome, plan, first_token_s)
    event.usage.completion_tokens = tokens
    return event


def _ended(outcome: Outcome, plan: LoadPlan, first_token_s: float) -> pb.Finished:
    event = onwire.message(
        pb.Finished,
        finish_reason=f"FINISH_REASON_{outcome.reason.value}",
        matched_stop=outcome.matched_stop,
        matched_token_id=outcome.matched_token_id,
        backend=plan.backend,
        backend_reason=plan.reason,
        seed=outcome.seed,
        template_source=outcome.template_way.value,
    )
    if first_token_s >= 0:
        onwire.span(event.timings.first_token, first_token_s)
    return event
