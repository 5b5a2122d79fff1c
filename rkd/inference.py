"""
One inference as plain frozen types: what is asked, what comes back.

Shared by the service (which speaks gRPC), the pool (which carries it to a worker) and the backends
(which do it). No I/O; `wire/` carries them, and holds what it reads to the types and ranges here.
"""

from __future__ import annotations

import enum
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from rkd import kvcache
from rkd.model import BackendKind, Media, Message, Part, VisionEncoder
from rkd.session import SessionFile
from rkd.tokens import Count, Int32, Size, TokenLogprobs, ToolCallDelta


class FinishReason(enum.StrEnum):
    """Why generation ended; the values are the contract's names."""

    STOP_EOS = "STOP_EOS"
    STOP_SEQUENCE = "STOP_SEQUENCE"
    LENGTH = "LENGTH"
    CONTEXT_FULL = "CONTEXT_FULL"
    TOOL_CALL = "TOOL_CALL"
    CANCELLED = "CANCELLED"


class TemplateWay(enum.StrEnum):
    """Which template turned messages into the prompt."""

    MODELFILE = "modelfile"
    MODEL = "model"
    RUNTIME = "runtime"
    RAW = "raw"


class ContextOverflow(enum.StrEnum):
    """What becomes of a conversation longer than the context."""

    REFUSE = "refuse"
    TRIM_OLDEST = "trim_oldest"


@dataclass(frozen=True, slots=True)
class Sampling:
    """
    How the next token is chosen; None leaves it to the backend's default.

    Ranges are checked where requests enter (`service/`) and where Modelfiles are read.
    """

    temperature: float | None = None
    top_k: Int32 | None = None
    top_p: float | None = None
    min_p: float | None = None
    typical_p: float | None = None
    repeat_penalty: float | None = None
    repeat_last_n: Int32 | None = None
    presence_penalty: float | None = None
    frequency_penalty: float | None = None
    mirostat: Int32 | None = None
    mirostat_tau: float | None = None
    mirostat_eta: float | None = None
    top_n_sigma: float | None = None
    xtc_probability: float | None = None
    xtc_threshold: float | None = None
    dry_multiplier: float | None = None
    dry_base: float | None = None
    dry_allowed_length: Int32 | None = None
    dry_penalty_last_n: Int32 | None = None
    dynatemp_range: float | None = None
    dynatemp_exponent: float | None = None
    seed: int | None = None
    max_tokens: Int32 | None = None
    """None means until the context is full; 0 means prefill only."""
    stop: tuple[str, ...] = ()
    stop_token_ids: tuple[Int32, ...] = ()
    ignore_eos: bool | None = None
    dry_sequence_breakers: tuple[str, ...] = ()
    logit_bias: tuple[tuple[Int32, float], ...] = ()
    logprobs: Int32 | None = None
    """How many alternatives to report with each token; 0 reports the chosen one alone."""
    grammar: str | None = None
    """GBNF."""
    json_schema: str | None = None
    regex: str | None = None
    choices: tuple[str, ...] = ()
    of_model: tuple[str, ...] = field(default=(), compare=False)
    """Which of these only the Modelfile asks for: what cannot do them says so and goes on."""

    @property
    def constrained(self) -> bool:
        """Whether the whole answer is held to something."""
        return bool(self.grammar or self.json_schema is not None or self.regex or self.choices)

    def free(self) -> Sampling:
        """Return it with the answer held to nothing."""
        return replace(self, grammar=None, json_schema=None, regex=None, choices=())


@dataclass(frozen=True, slots=True)
class Tool:
    """A function the model may call; parameters_json is a JSON Schema object as text."""

    name: str
    description: str
    parameters_json: str


@dataclass(frozen=True, slots=True)
class Run:
    """
    One generation as a worker receives it, all defaults merged.

    Exactly one of prompt and messages is used: messages when not empty.

    Args:
        prompt: sent to the model as it is (raw), special tokens parsed.
        template: Jinja text that replaces the model's own, or None.
        tool_choice: "" or `auto` leaves it to the model, `none` offers no tools, `required` makes
            it call one, a tool's name that one.
        thinking: None leaves it to the template.
        thinking_budget: end reasoning after so many tokens; None lets it take its time.
        reasoning_effort: the template's own word for it, or "".
        template_arguments: further variables for the template, a JSON object as text, or "".
        lora: (adapter name, scale) to apply to this run.
        prompt_tokens: token ids to use in place of text; wins over both.
        session: the cache of the conversation it belongs to; None for none.
        prompt_parts: a raw prompt with pictures, in place of `prompt`.
        context_overflow: what becomes of messages longer than the context.
        own_turns: so many of the first messages, system turns left aside, are the model's own.
        answers: how many to make, one after the other.
        suffix: what stands behind the gap to fill in; the prompt stands before it, and is the one
            message too, for templates. None for no gap.
        token_ids: the ids of all its tokens are wanted.
        structured_tries: answers to make until one is as wanted, where nothing holds it; 0 refuses.
        loop_guard: as in `LoadSpec`, whose word stands where this is None.
    """

    sampling: Sampling = field(default_factory=Sampling)
    prompt: str = ""
    messages: tuple[Message, ...] = ()
    tools: tuple[Tool, ...] = ()
    template: str | None = None
    tool_choice: str = ""
    thinking: bool | None = None
    thinking_budget: Int32 | None = None
    reasoning_effort: str = ""
    template_arguments: str = ""
    lora: tuple[tuple[str, float], ...] = ()
    prompt_tokens: tuple[Int32, ...] = ()
    session: SessionFile | None = None
    prompt_parts: tuple[Part, ...] = ()
    context_overflow: ContextOverflow = ContextOverflow.REFUSE
    own_turns: Count = 0
    answers: Count = 1
    suffix: str | None = None
    token_ids: bool = False
    structured_tries: Count = 0
    loop_guard: Int32 | None = None

    @property
    def media(self) -> tuple[Media, ...]:
        """Its pictures, in the order in which the model is to see them."""
        groups = (self.prompt_parts, *(message.parts for message in self.messages))
        return tuple(part for parts in groups for part in parts if isinstance(part, Media))

    @property
    def begun(self) -> Message | None:
        """The beginning of the answer, where the last message is one."""
        last = self.messages[-1] if self.messages else None
        return last if last is not None and last.role == "assistant" else None

    @property
    def forces_call(self) -> bool:
        """Whether the answer is to be a tool call."""
        return bool(self.tools) and self.tool_choice not in {"", "auto", "none"}


@dataclass(frozen=True, slots=True)
class Chunk:
    """
    A piece of an answer: always whole UTF-8 characters, and never part of a stop sequence.

    Args:
        tokens: how many tokens the chunk stands for (a joined chunk stands for several).
    """

    text: str = ""
    reasoning: str = ""
    tool_calls: tuple[ToolCallDelta, ...] = ()
    token_ids: tuple[Int32, ...] = ()
    logprobs: tuple[TokenLogprobs, ...] = ()
    tokens: Count = 0
    answer: Count = 0
    """Which of several answers it is of."""

    @staticmethod
    def join(pieces: Sequence[Chunk]) -> Chunk:
        """Several pieces of one answer, in order, as one: what a slow reader gets for them."""
        if len(pieces) == 1:
            return pieces[0]
        return Chunk(
            text="".join([one.text for one in pieces]),
            reasoning="".join([one.reasoning for one in pieces]),
            tool_calls=tuple(call for one in pieces for call in one.tool_calls),
            token_ids=tuple(token for one in pieces for token in one.token_ids),
            logprobs=tuple(entry for one in pieces for entry in one.logprobs),
            tokens=sum([one.tokens for one in pieces]),
            answer=pieces[0].answer,
        )


@dataclass(frozen=True, slots=True)
class PrefillProgress:
    """How much of the prompt has been read."""

    total_tokens: Count
    processed_tokens: Count
    cached_tokens: Count


@dataclass(frozen=True, slots=True)
class Usage:
    """Token counts of one run; prompt includes cached and media, completion reasoning."""

    prompt_tokens: Count = 0
    cached_tokens: Count = 0
    completion_tokens: Count = 0
    reasoning_tokens: Count = 0
    media_tokens: Count = 0


@dataclass(frozen=True, slots=True)
class EngineTimings:
    """What the engine measured, milliseconds."""

    prefill_ms: float = 0.0
    decode_ms: float = 0.0


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a run ended."""

    reason: FinishReason
    usage: Usage = field(default_factory=Usage)
    timings: EngineTimings = field(default_factory=EngineTimings)
    matched_stop: str = ""
    seed: int = 0
    template_way: TemplateWay = TemplateWay.RAW
    warnings: tuple[str, ...] = ()
    matched_token_id: Int32 | None = None
    """The stop token that ended it, where one did."""
    answers: tuple[Outcome, ...] = ()
    """How each ended, where several were asked for; the rest is then their sum."""
    keeping: bool = False
    """The cache of its conversation is written behind it; what came of that follows."""


class FirstAnswer(enum.StrEnum):
    """What a few tokens, heard when a model first meets a library, were."""

    NOT_HEARD = ""
    ANSWERED = "answered"
    SILENT = "silent"
    GARBAGE = "garbage"


@dataclass(frozen=True, slots=True)
class LoadSpec:
    """
    What a worker is told to load.

    Args:
        weights: absolute path of the weights file.
        context_tokens: context of each slot; 0 leaves it to the model.
        slots: runs decoded together.
        kv_cache_type: one of `kvcache.CHOICES`.
        threads: 0 leaves it to the backend.
        template: Jinja text from the Modelfile, or None.
        tokenizer_folder: folder with `tokenizer.json` / `tokenizer_config.json`, or "".
        runtime_library: path of the `librkllmrt.so` or of a native `llama-server`, or "".
        runtime_version_override: the documented override for the brave, or "".
        npu_domain: base IOMMU domain, 0 to 15.
        cpu_mask: bit per core to run on; 0 leaves it to the backend.
        adapters: (name, path, scale) of LoRA adapters.
        npu_lease_path: file locked around each NPU run, or "" for none.
        embeddings: prepare the engine for `embed`.
        projector: absolute path of the GGUF that makes tokens of pictures, or "".
        blind_because: why there is none, where the library knows more than that.
        image_tokens: most tokens a picture becomes; 0 leaves it to the model.
        vision: on the NPU, what lets it see, or None.
        prompt_cache_bytes: memory for the caches of conversations without a slot; 0 for none.
        loop_guard: end an answer that runs in a circle for so many tokens; 0 lets it run.
        llama_device: the NPU of a native llama-server, `none` not to use it, "" where it has none.
        first_answer: hear so many tokens before the load is called done, and say what they were.
        vocabulary_only: no weights, to tokenize alone.
        lookup_tokens: guess so many at once where the text so far has gone on from the same words;
            0 guesses none.
    """

    backend: BackendKind
    weights: str
    model: str = ""
    context_tokens: Count = 0
    slots: Count = 1
    kv_cache_type: str = kvcache.AUTO
    threads: Count = 0
    batch_tokens: Count = 0
    template: str | None = None
    tokenizer_folder: str = ""
    huggingface_path: str = ""
    runtime_library: str = ""
    runtime_version_override: str = ""
    npu_domain: Count = 0
    cpu_mask: Size = 0
    adapters: tuple[tuple[str, str, float], ...] = ()
    npu_lease_path: str = ""
    sampling: Sampling = field(default_factory=Sampling)
    embeddings: bool = False
    projector: str = ""
    image_tokens: Count = 0
    vision: VisionEncoder | None = None
    prompt_cache_bytes: Size = 0
    first_answer: Count = 0
    llama_device: str = ""
    loop_guard: Count = 0
    blind_because: str = ""
    vocabulary_only: bool = False
    lookup_tokens: Count = 0


@dataclass(frozen=True, slots=True)
class Loaded:
    """What a load achieved."""

    context_tokens: Count
    slots: Count
    runtime: str
    """Engine and version, for people: `llama.cpp b11549`, `rkllm 1.3.0`."""
    template_way: TemplateWay = TemplateWay.RAW
    warnings: tuple[str, ...] = ()
    first_answer: FirstAnswer = FirstAnswer.NOT_HEARD
    first_answer_detail: str = ""
    engine_lines: tuple[str, ...] = ()
    """What the engine printed meanwhile, the last of it."""


@dataclass(frozen=True, slots=True)
class LoadProgress:
    """A stage of a load or job; fraction 0 to 1, or negative where it cannot be known."""

    stage: str
    fraction: float = -1.0
    done_bytes: Size = 0
    total_bytes: Size = 0


@dataclass(frozen=True, slots=True)
class EmbedSpec:
    """Texts to embed."""

    inputs: tuple[str, ...]
    normalize: bool = True
    dimensions: Count = 0
    """Keep this many leading dimensions; 0 keeps all."""
    truncate: bool = False
    """Read only the beginning of a text longer than the context, instead of refusing it."""


@dataclass(frozen=True, slots=True)
class RankSpec:
    """Documents to score against one query: as probabilities when normalized, else log-odds."""

    query: str
    documents: tuple[str, ...]
    normalize: bool = True
    truncate: bool = False
    instruction: str = ""
    """What makes a document relevant, or "" for the template's own words."""


@dataclass(frozen=True, slots=True)
class Ranking:
    """One score a document, in the order of the documents."""

    scores: tuple[float, ...]
    prompt_tokens: Count


@dataclass(frozen=True, slots=True)
class Embeddings:
    """One vector an input, in order."""

    vectors: tuple[tuple[float, ...], ...]
    prompt_tokens: Count
