"""Strategies for every type that crosses the worker wire: each field gets values of its own."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from rkd.errors import Reason, RkdError, Violation, from_reason
from rkd.inference import (
    Chunk,
    ContextOverflow,
    Embeddings,
    EmbedSpec,
    EngineTimings,
    FinishReason,
    FirstAnswer,
    Loaded,
    LoadProgress,
    LoadSpec,
    Outcome,
    PrefillProgress,
    Ranking,
    RankSpec,
    Run,
    Sampling,
    TemplateWay,
    Tool,
    Usage,
)
from rkd.model import BackendKind, Media, Message, ToolCall, VisionEncoder
from rkd.session import Kept, SessionFile
from rkd.tokens import Logprob, TokenLogprobs, ToolCallDelta
from rkd.wire import messages

TEXT = st.text(max_size=6)
IDS = st.integers(0, 2**31 - 1)
COUNTS = st.integers(0, 2**32 - 1)
NUMBERS = st.floats(allow_nan=False)


def few(one: st.SearchStrategy[object], most: int = 3) -> st.SearchStrategy[tuple[object, ...]]:
    """Up to *most* of *one*, in order."""
    return st.lists(one, max_size=most).map(tuple)


SAMPLINGS = st.builds(
    Sampling,
    **dict.fromkeys(
        ("temperature", "top_p", "min_p", "typical_p", "repeat_penalty", "presence_penalty",
         "frequency_penalty", "mirostat_tau", "mirostat_eta"),
        st.none() | NUMBERS,
    ),
    **dict.fromkeys(
        ("top_k", "repeat_last_n", "mirostat", "max_tokens", "logprobs"),
        st.none() | st.integers(-1, 2**31 - 1),
    ),
    seed=st.none() | st.integers(0, 2**32 - 1),
    stop=few(TEXT),
    logit_bias=few(st.tuples(IDS, NUMBERS)),
    grammar=st.none() | TEXT,
    json_schema=st.none() | TEXT,
)  # fmt: skip
PARTS = few(TEXT | st.builds(Media, st.binary(max_size=6), COUNTS, COUNTS))
MESSAGES = st.builds(
    Message,
    role=TEXT,
    content=TEXT,
    reasoning=TEXT,
    tool_calls=few(st.builds(ToolCall, id=TEXT, name=TEXT, arguments_json=TEXT)),
    tool_name=TEXT,
    tool_call_id=TEXT,
    parts=PARTS,
)
RUNS = st.builds(
    Run,
    sampling=SAMPLINGS,
    prompt=TEXT,
    messages=few(MESSAGES),
    tools=few(st.builds(Tool, name=TEXT, description=TEXT, parameters_json=TEXT)),
    template=st.none() | TEXT,
    tool_choice=TEXT,
    thinking=st.none() | st.booleans(),
    thinking_budget=st.none() | IDS,
    reasoning_effort=TEXT,
    template_arguments=TEXT,
    lora=few(st.tuples(TEXT, NUMBERS)),
    prompt_tokens=few(IDS),
    session=st.none()
    | st.builds(
        SessionFile,
        **dict.fromkeys(("key", "name", "path", "sha256", "prefix"), TEXT),
        **dict.fromkeys(("most_tokens", "tokens"), COUNTS),
    ),
    context_overflow=st.sampled_from(ContextOverflow),
    own_turns=COUNTS,
    structured_tries=COUNTS,
    loop_guard=st.none() | IDS,
    prompt_parts=PARTS,
    suffix=st.none() | TEXT,
)
LOGPROBS = st.builds(Logprob, token_id=IDS, text=TEXT, logprob=NUMBERS)
CHUNKS = st.builds(
    Chunk,
    text=TEXT,
    reasoning=TEXT,
    tool_calls=few(st.builds(ToolCallDelta, index=COUNTS, id=TEXT, name=TEXT, arguments=TEXT)),
    token_ids=few(IDS),
    logprobs=few(st.builds(TokenLogprobs, chosen=LOGPROBS, alternatives=few(LOGPROBS))),
    tokens=st.integers(0, 2**20),
)
OUTCOMES = st.builds(
    Outcome,
    reason=st.sampled_from(FinishReason),
    usage=st.builds(
        Usage,
        prompt_tokens=COUNTS,
        cached_tokens=COUNTS,
        completion_tokens=COUNTS,
        reasoning_tokens=COUNTS,
        media_tokens=COUNTS,
    ),
    timings=st.builds(EngineTimings, prefill_ms=NUMBERS, decode_ms=NUMBERS),
    matched_stop=TEXT,
    seed=st.integers(0, 2**32 - 1),
    template_way=st.sampled_from(TemplateWay),
    warnings=few(TEXT),
    keeping=st.booleans(),
)
KEPTS = st.builds(
    Kept, size_bytes=st.integers(0, 2**64 - 1), sha256=TEXT, tokens=COUNTS, prefix=TEXT
)
LOADS = st.builds(
    LoadSpec,
    backend=st.sampled_from(BackendKind),
    **dict.fromkeys(
        ("weights", "model", "kv_cache_type", "tokenizer_folder", "huggingface_path",
         "runtime_library", "runtime_version_override", "npu_lease_path", "llama_device",
         "projector",         "blind_because"),
        TEXT,
    ),
    **dict.fromkeys(
        ("context_tokens", "slots", "threads", "batch_tokens", "npu_domain", "lookup_tokens",
         "image_tokens"),
        COUNTS,
    ),
    cpu_mask=st.integers(0, 2**64 - 1),
    vision=st.none() | st.builds(VisionEncoder, TEXT, TEXT, COUNTS, st.tuples(TEXT, TEXT, TEXT)),
    prompt_cache_bytes=st.integers(0, 2**64 - 1),
    template=st.none() | TEXT,
    adapters=few(st.tuples(TEXT, TEXT, NUMBERS)),
    sampling=SAMPLINGS,
    embeddings=st.booleans(),
    first_answer=COUNTS,
    loop_guard=COUNTS,
)  # fmt: skip
LOADEDS = st.builds(
    Loaded,
    context_tokens=COUNTS,
    slots=COUNTS,
    runtime=TEXT,
    template_way=st.sampled_from(TemplateWay),
    warnings=few(TEXT),
    first_answer=st.sampled_from(FirstAnswer),
    first_answer_detail=TEXT,
    engine_lines=few(TEXT),
)


def _error(reason: Reason, message: str, **more: Any) -> RkdError:
    return from_reason(reason, message, **more)


A_REASON = Reason.INTERNAL
FAILURES = st.builds(
    _error,
    st.sampled_from(Reason),
    TEXT,
    remedy=TEXT,
    metadata=st.dictionaries(TEXT, TEXT, max_size=3),
    retry_after_s=st.none() | NUMBERS,
    violations=few(st.builds(Violation, TEXT, TEXT)),
)

_WORDS = st.dictionaries(TEXT, TEXT, max_size=3)
_BODIES: dict[type, tuple[st.SearchStrategy[Any], ...]] = {
    messages.LoadFrame: (LOADS,),
    messages.RunFrame: (RUNS,),
    messages.CancelFrame: (),
    messages.EmbedFrame: (st.builds(EmbedSpec, few(TEXT), st.booleans(), COUNTS, st.booleans()),),
    messages.RankFrame: (st.builds(RankSpec, TEXT, few(TEXT), st.booleans(), st.booleans(), TEXT),),
    messages.TokenizeFrame: (TEXT, st.booleans(), st.booleans()),
    messages.SpellFrame: (few(IDS),),
    messages.DetokenizeFrame: (few(IDS),),
    messages.JobFrame: (TEXT, _WORDS),
    messages.BecomeFrame: (few(TEXT),),
    messages.HelloFrame: (COUNTS, COUNTS),
    messages.ProgressFrame: (st.builds(LoadProgress, TEXT, NUMBERS, COUNTS, COUNTS),),
    messages.LoadedFrame: (LOADEDS,),
    messages.ChunkFrame: (CHUNKS,),
    messages.PrefillFrame: (st.builds(PrefillProgress, COUNTS, COUNTS, COUNTS),),
    messages.DoneFrame: (OUTCOMES,),
    messages.KeptFrame: (KEPTS,),
    messages.EmbeddedFrame: (st.builds(Embeddings, few(few(NUMBERS)), COUNTS),),
    messages.RankedFrame: (st.builds(Ranking, few(NUMBERS), COUNTS),),
    messages.TokenizedFrame: (few(IDS),),
    messages.SpelledFrame: (few(st.binary(max_size=6)),),
    messages.DetokenizedFrame: (TEXT,),
    messages.JobDoneFrame: (_WORDS,),
    messages.PingFrame: (),
    messages.PongFrame: (),
}
FRAMES: dict[type, st.SearchStrategy[Any]] = {
    kind: st.builds(kind, COUNTS, *body) for kind, body in _BODIES.items()
} | {messages.FailedFrame: st.builds(messages.FailedFrame.of, COUNTS, FAILURES)}
