"""
Between the plain types of `rkd.inference` and the frames of the worker wire, both directions.

The one place that knows both; pure.
"""

from __future__ import annotations

from dataclasses import fields
from typing import Any

from rkd.errors import Reason, RkdError, from_reason
from rkd.inference import (
    Capabilities,
    Chunk,
    EngineTimings,
    FinishReason,
    Loaded,
    LoadSpec,
    Logprob,
    Outcome,
    Run,
    Sampling,
    TemplateWay,
    TokenLogprobs,
    Tool,
    ToolCallDelta,
    Usage,
)
from rkd.model import BackendKind, Message, ToolCall
from rkd.wire.v1 import wire_pb2 as pb

_SCALARS = tuple(
    field.name for field in fields(Sampling) if field.name not in {"stop", "logit_bias"}
)


def pack_sampling(sampling: Sampling) -> pb.Sampling:
    """Sampling to frame."""
    frame = pb.Sampling(stop=sampling.stop)
    for name in _SCALARS:
        value = getattr(sampling, name)
        if value is not None:
            setattr(frame, name, value)
    for token_id, bias in sampling.logit_bias:
        frame.logit_bias.add(token_id=token_id, bias=bias)
    return frame


def unpack_sampling(frame: pb.Sampling) -> Sampling:
    """Frame to sampling; what was not set stays None."""
    given: dict[str, Any] = {
        name: getattr(frame, name) for name in _SCALARS if frame.HasField(name)
    }
    return Sampling(
        **given,
        stop=tuple(frame.stop),
        logit_bias=tuple((one.token_id, one.bias) for one in frame.logit_bias),
    )


def pack_run(run: Run) -> pb.Run:
    """Run to frame."""
    frame = pb.Run(
        sampling=pack_sampling(run.sampling),
        prompt=run.prompt,
        messages=[_pack_message(one) for one in run.messages],
        tools=[
            pb.Tool(name=one.name, description=one.description, parameters_json=one.parameters_json)
            for one in run.tools
        ],
        lora=[pb.Lora(name=name, scale=scale) for name, scale in run.lora],
        prompt_tokens=run.prompt_tokens,
        prompt_cache=run.prompt_cache,
    )
    if run.template is not None:
        frame.template = run.template
    if run.thinking is not None:
        frame.thinking = run.thinking
    return frame


def unpack_run(frame: pb.Run) -> Run:
    """Frame to run."""
    return Run(
        sampling=unpack_sampling(frame.sampling),
        prompt=frame.prompt,
        messages=tuple(_unpack_message(one) for one in frame.messages),
        tools=tuple(Tool(one.name, one.description, one.parameters_json) for one in frame.tools),
        template=frame.template if frame.HasField("template") else None,
        thinking=frame.thinking if frame.HasField("thinking") else None,
        lora=tuple((one.name, one.scale) for one in frame.lora),
        prompt_tokens=tuple(frame.prompt_tokens),
        prompt_cache=frame.prompt_cache,
    )


def _pack_message(message: Message) -> pb.Message:
    return pb.Message(
        role=message.role,
        content=message.content,
        reasoning=message.reasoning,
        tool_calls=[
            pb.ToolCall(id=one.id, name=one.name, arguments_json=one.arguments_json)
            for one in message.tool_calls
        ],
        tool_name=message.tool_name,
        tool_call_id=message.tool_call_id,
    )


def _unpack_message(frame: pb.Message) -> Message:
    return Message(
        role=frame.role,
        content=frame.content,
        reasoning=frame.reasoning,
        tool_calls=tuple(
            ToolCall(one.id, one.name, one.arguments_json) for one in frame.tool_calls
        ),
        tool_name=frame.tool_name,
        tool_call_id=frame.tool_call_id,
    )


_LOAD_SPECIAL = frozenset({"backend", "template", "adapters", "sampling"})
_LOAD_PLAIN = tuple(field.name for field in fields(LoadSpec) if field.name not in _LOAD_SPECIAL)


def pack_load(spec: LoadSpec) -> pb.Load:
    """Load specification to frame."""
    frame = pb.Load(
        backend=spec.backend.value,
        adapters=[pb.Adapter(name=name, path=path, scale=s) for name, path, s in spec.adapters],
        sampling=pack_sampling(spec.sampling),
        **{name: getattr(spec, name) for name in _LOAD_PLAIN},
    )
    if spec.template is not None:
        frame.template = spec.template
    return frame


def unpack_load(frame: pb.Load) -> LoadSpec:
    """Frame to load specification."""
    return LoadSpec(
        backend=BackendKind(frame.backend),
        template=frame.template if frame.HasField("template") else None,
        adapters=tuple((one.name, one.path, one.scale) for one in frame.adapters),
        sampling=unpack_sampling(frame.sampling),
        **{name: getattr(frame, name) for name in _LOAD_PLAIN},
    )


def pack_loaded(loaded: Loaded) -> pb.Loaded:
    """What a load achieved, to frame."""
    able = [one.name for one in fields(Capabilities) if getattr(loaded.capabilities, one.name)]
    return pb.Loaded(
        capabilities=able,
        context_tokens=loaded.context_tokens,
        slots=loaded.slots,
        runtime=loaded.runtime,
        template_way=loaded.template_way.value,
        warnings=loaded.warnings,
    )


def unpack_loaded(frame: pb.Loaded) -> Loaded:
    """Frame to what a load achieved."""
    able = set(frame.capabilities)
    return Loaded(
        capabilities=Capabilities(**{one.name: one.name in able for one in fields(Capabilities)}),
        context_tokens=frame.context_tokens,
        slots=frame.slots,
        runtime=frame.runtime,
        template_way=TemplateWay(frame.template_way),
        warnings=tuple(frame.warnings),
    )


def pack_chunk(chunk: Chunk) -> pb.Chunk:
    """Chunk to frame; the common one is text alone."""
    frame = pb.Chunk(text=chunk.text, tokens=chunk.tokens)
    if chunk.reasoning:
        frame.reasoning = chunk.reasoning
    if chunk.token_ids:
        frame.token_ids.extend(chunk.token_ids)
    for call in chunk.tool_calls:
        frame.tool_calls.add(index=call.index, id=call.id, name=call.name, arguments=call.arguments)
    for entry in chunk.logprobs:
        frame.logprobs.add(
            chosen=_pack_logprob(entry.chosen),
            alternatives=[_pack_logprob(one) for one in entry.alternatives],
        )
    return frame


def unpack_chunk(frame: pb.Chunk) -> Chunk:
    """Frame to chunk."""
    return Chunk(
        text=frame.text,
        reasoning=frame.reasoning,
        tool_calls=tuple(
            ToolCallDelta(one.index, one.id, one.name, one.arguments) for one in frame.tool_calls
        ),
        token_ids=tuple(frame.token_ids),
        logprobs=tuple(
            TokenLogprobs(
                _unpack_logprob(one.chosen), tuple(_unpack_logprob(x) for x in one.alternatives)
            )
            for one in frame.logprobs
        ),
        tokens=frame.tokens,
    )


def _pack_logprob(one: Logprob) -> pb.Logprob:
    return pb.Logprob(token_id=one.token_id, text=one.text, logprob=one.logprob)


def _unpack_logprob(one: pb.Logprob) -> Logprob:
    return Logprob(one.token_id, one.text, one.logprob)


def pack_outcome(outcome: Outcome) -> pb.Done:
    """Outcome to frame."""
    return pb.Done(
        reason=outcome.reason.value,
        prompt_tokens=outcome.usage.prompt_tokens,
        cached_tokens=outcome.usage.cached_tokens,
        completion_tokens=outcome.usage.completion_tokens,
        reasoning_tokens=outcome.usage.reasoning_tokens,
        prefill_ms=outcome.timings.prefill_ms,
        decode_ms=outcome.timings.decode_ms,
        matched_stop=outcome.matched_stop,
        seed=outcome.seed,
        template_way=outcome.template_way.value,
        warnings=outcome.warnings,
    )


def unpack_outcome(frame: pb.Done) -> Outcome:
    """Frame to outcome."""
    return Outcome(
        reason=FinishReason(frame.reason),
        usage=Usage(
            frame.prompt_tokens,
            frame.cached_tokens,
            frame.completion_tokens,
            frame.reasoning_tokens,
        ),
        timings=EngineTimings(frame.prefill_ms, frame.decode_ms),
        matched_stop=frame.matched_stop,
        seed=frame.seed,
        template_way=TemplateWay(frame.template_way),
        warnings=tuple(frame.warnings),
    )


def pack_failure(error: RkdError) -> pb.Failed:
    """Error to frame; violations are folded into the message by who raised it."""
    return pb.Failed(
        reason=error.reason.value,
        message=error.message,
        remedy=error.remedy,
        metadata=error.metadata,
    )


def unpack_failure(frame: pb.Failed) -> RkdError:
    """Frame to error of the class that owns its reason."""
    return from_reason(
        Reason(frame.reason), frame.message, remedy=frame.remedy, metadata=dict(frame.metadata)
    )
