"""Generated from rkd/v1/types.proto by tests/value_types.py; never edited."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal


Backend = Literal["", "auto", "npu", "cpu"]
"""Where a model runs, or is asked to run."""


WeightsFormat = Literal["", "rkllm", "gguf"]
"""What the weights of a model are written in."""


Priority = Literal["", "interactive", "normal", "background"]
"""How urgent a request is while it waits; inside a class the order is first come, first served."""


ContextOverflow = Literal["", "refuse", "trim_oldest"]
"""What becomes of a conversation longer than the context."""


FinishReason = Literal["", "stop_eos", "stop_sequence", "length", "context_full", "tool_call", "cancelled"]
"""Why an answer ended."""


ModelState = Literal["", "ready", "needs_modelfile", "incoming", "invalid"]
"""State of a model folder on disk."""


OperationState = Literal["", "pending", "running", "paused", "succeeded", "failed", "cancelled"]
"""State of an operation."""


OperationKind = Literal["", "pull", "create", "push"]
"""Kind of an operation."""


@dataclass(frozen=True, slots=True)
class Media:
    """A picture, as its file holds it: JPEG, PNG, WebP, GIF or BMP. Of one that moves the first frame is seen; how EXIF says to hold it, it is held; what is transparent is white. Sound and video are refused: their place is here, too, once an engine takes them."""

    data: bytes = b""
    """The file's content, never an address or a path; what it is, its first bytes decide. All those of a request together have at most 12 MiB (`max_picture_bytes`), each at most 40 megapixels (`max_picture_megapixels`)."""

    mime_type: str = ""
    """What the caller takes it for (`image/png`); refused where the bytes are something else. Default: not said."""


@dataclass(frozen=True, slots=True)
class Part:
    """A piece of a turn or prompt."""

    text: str | None = None
    """Text."""

    media: Media | None = None
    """A picture."""


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A call of a function, made by the model."""

    id: str = ""
    """Names the call inside its conversation."""

    name: str = ""
    """The function."""

    arguments_json: str = ""
    """Its arguments: a JSON object as text."""


@dataclass(frozen=True, slots=True)
class Message:
    """One turn of a conversation."""

    role: str = ""
    """`system`, `user`, `assistant` or `tool`."""

    content: str = ""
    """The text; may be empty for an assistant turn that only calls tools."""

    reasoning: str = ""
    """What the model thought before this assistant turn; templates may drop it."""

    tool_calls: tuple[ToolCall, ...] = ()
    """Calls the model made in this assistant turn."""

    tool_name: str = ""
    """For role `tool`: the function whose result this is."""

    tool_call_id: str = ""
    """For role `tool`: the id of the call this answers."""

    parts: tuple[Part, ...] = ()
    """The turn as text and pictures in their order, in place of `content`: never both. Pictures stand in turns of the user only, 8 at most in a request (`max_pictures`). Two texts in a row are two lines. A model that sees no pictures refuses them (CAPABILITY_UNSUPPORTED)."""


@dataclass(frozen=True, slots=True)
class Tool:
    """A function offered to the model."""

    name: str = ""
    """`[A-Za-z0-9_-]{1,64}`."""

    description: str = ""
    """What it does, for the model to read."""

    parameters_json: str = ""
    """A JSON Schema object as text describing the arguments. Default: no arguments."""


@dataclass(frozen=True, slots=True)
class LogitBias:
    """Adds a bias to one token's logit before sampling."""

    token_id: int = 0
    """Token id of the model's vocabulary."""

    bias: float = 0.0
    """Added to the logit, -100 to 100; -100 practically bans, 100 practically forces."""


@dataclass(frozen=True, slots=True)
class Choices:
    """Texts of which an answer is one."""

    values: tuple[str, ...] = ()
    """At most 256, each 1 to 1024 bytes, none twice; they may begin with each other."""


@dataclass(frozen=True, slots=True)
class SamplingOptions:
    """How the answer is sampled. Every field is optional because 0 is a value: what is not given comes from the model's Modelfile, then from the backend's default named here. A field that the chosen backend cannot honour is refused (CAPABILITY_UNSUPPORTED), never ignored."""

    temperature: float | None = None
    """0 always takes the best token. Range 0 to 5. Default 0.8."""

    top_k: int | None = None
    """Consider only this many best tokens; 0 considers all. Range 0 to 1000000. Default 40."""

    top_p: float | None = None
    """Consider only the best tokens that together have this probability. Range 0 to 1. Default 0.95."""

    min_p: float | None = None
    """Drop tokens less likely than this fraction of the best one. Range 0 to 1. Default 0.05."""

    typical_p: float | None = None
    """Locally typical sampling; 1 is off. Range 0 to 1. Default 1."""

    repeat_penalty: float | None = None
    """Penalty on repeated tokens; 1 and 0 are off. Range 0 to 10. Default 1."""

    repeat_last_n: int | None = None
    """How many last tokens the penalties look at; 0 none, -1 the whole context. Range -1 to 16777216. Default 64."""

    presence_penalty: float | None = None
    """Penalty on tokens that occurred at all. Range -2 to 2. Default 0."""

    frequency_penalty: float | None = None
    """Penalty growing with each occurrence. Range -2 to 2. Default 0."""

    mirostat: int | None = None
    """Mirostat's version; 0 is off. Range 0 to 2. Default 0."""

    mirostat_tau: float | None = None
    """Mirostat's target entropy. Range 0 to 100. Default 5."""

    mirostat_eta: float | None = None
    """Mirostat's learning rate. Range 0 to 1. Default 0.1."""

    seed: int | None = None
    """Equal seeds give equal answers under equal conditions; -1 and 2^32-1 draw one. Range -1 to 4294967295. Default: one is drawn, and `finished` tells which."""

    max_tokens: int | None = None
    """Most tokens to generate; 0 only reads the prompt. Range -2 to 1073741824. Default, and meant by -1 and -2: until the context is full."""

    stop: tuple[str, ...] = ()
    """The answer ends before the first of these; never part of the answer. At most 64, each 1 to 1024 bytes. Given, they replace the Modelfile's."""

    logit_bias: tuple[LogitBias, ...] = ()
    """Biases on single tokens. At most 1024."""

    logprobs: int | None = None
    """Report log probabilities: the number of alternatives with each token, 0 for the chosen one alone. Range 0 to 20. Default: none reported."""

    grammar: str | None = None
    """A GBNF grammar."""

    json_schema: str | None = None
    """A JSON Schema as text; `{}` means any JSON object."""

    regex: str | None = None
    """A regular expression that the whole answer matches, 1 to 4096 bytes; docs/sampling.md says what it may hold."""

    choices: Choices | None = None
    """Texts of which the answer is one."""

    ignore_eos: bool | None = None
    """Goes on where the model would end its answer, until max_tokens or the context. Not together with a constraint."""

    stop_token_ids: tuple[int, ...] = ()
    """The answer ends before the first of these tokens. At most 64. Given, they replace the Modelfile's."""

    xtc_probability: float | None = None
    """How likely XTC leaves out all but the least of the tokens above its threshold; 0 is off. Range 0 to 1. Default 0."""

    xtc_threshold: float | None = None
    """How probable tokens are that XTC leaves out; above 0.5 is off. Range 0 to 1. Default 0.1."""

    dry_multiplier: float | None = None
    """DRY: penalty on going on with what was said already; 0 is off. Range 0 to 100. Default 0."""

    dry_base: float | None = None
    """DRY: how its penalty grows with each repeated token. Range 1 to 100. Default 1.75."""

    dry_allowed_length: int | None = None
    """DRY: repeated so far without a penalty. Range 0 to 16777216. Default 2."""

    dry_penalty_last_n: int | None = None
    """DRY: how many last tokens it looks at; 0 none, -1 the whole context. Range -1 to 16777216. Default 64."""

    dry_sequence_breakers: tuple[str, ...] = ()
    """DRY: texts over which no repetition goes on. At most 64, each 1 to 40 bytes. Given, they replace the Modelfile's; default: a line break, `:`, `"` and `*`."""

    top_n_sigma: float | None = None
    """Only tokens whose logits lie within so many standard deviations of the best one's; -1 and 0 are off. Range -1 to 100. Default -1."""

    dynatemp_range: float | None = None
    """How far the temperature goes down for sure tokens and up for unsure ones; 0 is off. Range 0 to 5. Default 0."""

    dynatemp_exponent: float | None = None
    """How the temperature follows the entropy: 1 evenly. Range 0 to 100. Default 1."""


@dataclass(frozen=True, slots=True)
class InferenceOptions:
    """What every inference request may say besides its input."""

    sampling: SamplingOptions = SamplingOptions()
    """Sampling of the answer."""

    backend: Backend = ""
    """Where to run. Default: the model's, else the daemon's setting."""

    keep_alive_s: float | None = None
    """How long the model stays resident after this request: zero unloads at once, negative means for ever. Default: what the last request said, else the model's, else RKD_KEEP_ALIVE."""

    context_tokens: int | None = None
    """Context in tokens for each slot, 64 up to the model's own. A model resident with another context is reloaded. Default: `num_ctx` of the Modelfile, else RKD_MAX_CONTEXT or the model's."""

    priority: Priority = ""
    """Urgency while waiting."""

    queue_timeout_s: float | None = None
    """Longest wait in the queue, on top of the call's own deadline. Default: only the deadline."""

    request_id: str = ""
    """Names the request in logs, `Cancel` and errors: 1 to 64 of `[A-Za-z0-9._-]`, unique among running requests. Default: the daemon makes one."""

    thinking: bool | None = None
    """Turns reasoning of models that have a switch for it on or off. Default: the template's own."""

    return_token_ids: bool = False
    """Report the ids of the tokens in every delta."""

    lora: Mapping[str, float] = field(default_factory=dict)
    """LoRA adapters of the Modelfile to apply: name to scale (0 to 2). Default: all, at their scale."""

    thinking_budget: int | None = None
    """Ends the reasoning after so many tokens, 0 to 1048576: its closing tag is written in the model's place, and the answer goes on behind it. On the NPU it is refused. Default: no end."""

    reasoning_effort: str = ""
    """How much a model reasons that is told so by its chat template: one of the template's own words, often `low`, `medium` or `high`; refused where the template knows none. Default: the template's."""

    context_overflow: ContextOverflow = ""
    """What becomes of a conversation longer than the context. Default: it is refused."""

    n: int | None = None
    """How many answers to make, one after the other. `Delta.answer` says which one a piece is of. A seed given is the first answer's, the next has the seed after it. Range 1 to 16. Default 1."""

    session: str = ""
    """Names the conversation the request belongs to, among the caller's own: 1 to 128 of `[A-Za-z0-9._:@-]`. What the engine has computed of it is kept on disk (RKD_SESSION_DISK) and survives other requests, an unload and a restart; the conversation itself is sent with every turn as ever. It changes how soon the first token comes, and nothing else."""

    structured_tries: int | None = None
    """On the NPU, whose runtime can hold an answer to nothing: up to so many answers are made until one keeps `json_schema`, `regex`, `choices` or the forced call; each is judged when it is whole, nothing of it is streamed before, the usage counts all of them, and `warnings` says so. Range 1 to 8. Default: what would have to be held is refused there. On the CPU a grammar holds it anyway."""

    loop_guard: int | None = None
    """On the NPU: an answer that runs in a circle, the same tokens over and over and nothing else, is ended after so many tokens of it (LENGTH, and a warning). Range 0 to 100000; 0 lets it run. Default: `loop_guard` of the Modelfile, else the daemon's setting."""


@dataclass(frozen=True, slots=True)
class Capability:
    """Whether a model can be asked for one thing on one backend, and why not."""

    supported: bool = False
    """A request that needs it is served; without it the request is refused (CAPABILITY_UNSUPPORTED) with the same reason and remedy, and its name under `capability` in the error's metadata."""

    reason: str = ""
    """Why not: a clause; empty where it is."""

    remedy: str = ""
    """What to do without it, or what would make it a yes; empty where it is."""

    details: Mapping[str, str] = field(default_factory=dict)
    """How: `format`, `pooling`, `dimensions`, `switch`, `opens` … of docs/capabilities.md."""


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a model can be asked for on one backend, judged by its files and the runtime installed, without loading it. Nothing below `runtime` is set where it has no weights for the backend."""

    backend: Backend = ""
    """Where: NPU or CPU."""

    available: bool = False
    """It can be loaded there, on this machine as it is."""

    reason: str = ""
    """Why not, one sentence; empty where it can."""

    remedy: str = ""
    """What to do about it; empty where it can."""

    runtime: str = ""
    """Whose abilities were judged: `rkllm 1.3.1`, `llama.cpp`."""

    sampling: Mapping[str, Capability] = field(default_factory=dict)
    """Parameters of SamplingOptions by name."""

    generate: Capability = Capability()
    """Text that goes on behind a prompt."""

    chat: Capability = Capability()
    """Answers to a conversation."""

    history: Capability = Capability()
    """Turns of the assistant and of tools in the conversation."""

    tools: Capability = Capability()
    """Tools the model may call."""

    tool_choice: Capability = Capability()
    """A call that is made in any case, and keeps its schema."""

    thinking: Capability = Capability()
    """Reasoning apart from the answer, asked for."""

    thinking_budget: Capability = Capability()
    """Reasoning ended after so many tokens."""

    reasoning_effort: Capability = Capability()
    """How much to reason, in the template's own words."""

    context_overflow: Capability = Capability()
    """A conversation longer than the context trimmed."""

    grammar: Capability = Capability()
    """An answer held to a GBNF grammar."""

    json_schema: Capability = Capability()
    """An answer held to a JSON schema."""

    logit_bias: Capability = Capability()
    """A bias on single tokens."""

    lora: Capability = Capability()
    """LoRA adapters chosen by a request."""

    lora_scale: Capability = Capability()
    """Another scale of an adapter than the Modelfile's."""

    lora_mix: Capability = Capability()
    """Several adapters in one run."""

    embed: Capability = Capability()
    """Vectors of texts."""

    truncate: Capability = Capability()
    """Texts too long to embed cut instead of refused."""

    tokenize: Capability = Capability()
    """Text into token ids."""

    detokenize: Capability = Capability()
    """Token ids into text."""

    vision: Capability = Capability()
    """Pictures in prompts and turns of the user."""

    rerank: Capability = Capability()
    """Documents scored against a query."""

    instruction: Capability = Capability()
    """What makes a document relevant, said by a request."""

    regex: Capability = Capability()
    """An answer that matches a regular expression."""

    choices: Capability = Capability()
    """An answer that is one of several texts."""

    ignore_eos: Capability = Capability()
    """Going on where the model would end."""

    n: Capability = Capability()
    """Several answers to one request."""

    fim: Capability = Capability()
    """A gap between a beginning and an end filled in (`suffix`)."""

    session: Capability = Capability()
    """A named conversation's cache kept on disk."""


@dataclass(frozen=True, slots=True)
class Accepted:
    """First event of every inference stream."""

    request_id: str = ""
    """Names the request; use it with `InferenceService.Cancel`."""

    model: str = ""
    """The model's name as the library writes it."""

    backend: Backend = ""
    """Where it is planned to run: NPU or CPU."""

    backend_reason: str = ""
    """Why it is not the NPU, one sentence; empty when it is, or when the CPU was asked for."""

    template_source: str = ""
    """Which template makes the prompt: `modelfile`, `model`, `runtime` or `raw`."""

    capabilities: Capabilities = Capabilities()
    """What the model can be asked for there."""


@dataclass(frozen=True, slots=True)
class Queued:
    """The request waits for its turn."""

    position: int = 0
    """How many requests are served before this one; 0 is next."""

    estimated_wait_s: float | None = None
    """A guess from recent requests; absent when there is none yet."""


@dataclass(frozen=True, slots=True)
class Loading:
    """The model is being made resident."""

    stage: str = ""
    """`evicting`, `starting`, `loading`, `retrying` or `falling-back`."""

    fraction: float | None = None
    """0 to 1; absent when it cannot be known."""

    backend: Backend = ""
    """Where it loads now: after a fallback not what `accepted` said."""

    evicting: tuple[str, ...] = ()
    """Models that leave to make room."""

    detail: str = ""
    """What is going on, in words: the reason of a retry or fallback."""


@dataclass(frozen=True, slots=True)
class Prefill:
    """The prompt is being read."""

    total_tokens: int = 0
    """Tokens of the prompt."""

    processed_tokens: int = 0
    """Of these, read so far, including cached ones."""

    cached_tokens: int = 0
    """Of these, found in the cache."""


@dataclass(frozen=True, slots=True)
class ToolCallDelta:
    """A piece of a tool call: id and name once, then argument text in pieces."""

    index: int = 0
    """Which call of this answer, from 0."""

    id: str = ""
    """Set in the first piece."""

    name: str = ""
    """Set in the first piece."""

    arguments: str = ""
    """The next piece of the arguments' JSON text."""


@dataclass(frozen=True, slots=True)
class Logprob:
    """One candidate token."""

    token_id: int = 0
    """Id in the model's vocabulary."""

    text: str = ""
    """Its text; bytes that are no whole character are U+FFFD."""

    logprob: float = 0.0
    """Natural logarithm of its probability."""


@dataclass(frozen=True, slots=True)
class TokenLogprobs:
    """The token chosen and its best rivals."""

    chosen: Logprob = Logprob()
    """The token that was taken."""

    alternatives: tuple[Logprob, ...] = ()
    """The most likely tokens, best first."""


@dataclass(frozen=True, slots=True)
class Delta:
    """A piece of the answer. Pieces waiting for a slow reader are joined into one."""

    text: str = ""
    """Visible text: always whole UTF-8 characters, never part of a stop sequence."""

    reasoning_text: str = ""
    """What the model thinks, apart from the answer."""

    tool_calls: tuple[ToolCallDelta, ...] = ()
    """Pieces of tool calls."""

    token_ids: tuple[int, ...] = ()
    """Ids of the tokens behind this piece, when asked for."""

    logprobs: tuple[TokenLogprobs, ...] = ()
    """One entry a token, when asked for."""

    answer: int = 0
    """Which of `n` answers it is a piece of, from 0."""


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens counted."""

    prompt_tokens: int = 0
    """Of the prompt as the model saw it, template included."""

    cached_tokens: int = 0
    """Of these, not computed again."""

    completion_tokens: int = 0
    """Generated, reasoning and tool calls included."""

    reasoning_tokens: int = 0
    """Of these, reasoning."""

    media_tokens: int = 0
    """Of the prompt's, what pictures became."""


@dataclass(frozen=True, slots=True)
class Timings:
    """Where the time went."""

    queue_s: float | None = None
    """Waiting for a turn."""

    load_s: float | None = None
    """Making the model resident; zero when it was."""

    first_token_s: float | None = None
    """From the request's arrival to the first piece of the answer."""

    prefill_s: float | None = None
    """Reading the prompt, as the engine measured it."""

    decode_s: float | None = None
    """Generating, as the engine measured it."""


@dataclass(frozen=True, slots=True)
class AnswerEnd:
    """How one of several answers ended."""

    finish_reason: FinishReason = ""
    """Why it ended."""

    matched_stop: str = ""
    """The stop sequence that matched, for STOP_SEQUENCE."""

    matched_token_id: int | None = None
    """The token of `stop_token_ids` that ended it, for STOP_SEQUENCE."""

    usage: Usage = Usage()
    """Its own tokens; from the second answer on, its prompt is found in the cache."""

    seed: int = 0
    """Its seed, given or drawn."""


@dataclass(frozen=True, slots=True)
class Finished:
    """Last event of every inference stream that ends with status OK."""

    finish_reason: FinishReason = ""
    """Why it ended."""

    matched_stop: str = ""
    """The stop sequence that matched, for STOP_SEQUENCE."""

    backend: Backend = ""
    """Where it really ran."""

    backend_reason: str = ""
    """Why not on the NPU, or not where `accepted` said; empty otherwise."""

    usage: Usage = Usage()
    """Tokens counted."""

    timings: Timings = Timings()
    """Where the time went."""

    seed: int = 0
    """The seed used, given or drawn."""

    warnings: tuple[str, ...] = ()
    """What the caller should know but did not fail: a model without template, a clamped option."""

    template_source: str = ""
    """Which template made the prompt, as it really was."""

    runtime: str = ""
    """Engine and version, for people."""

    matched_token_id: int | None = None
    """The token of `stop_token_ids` that ended it, for STOP_SEQUENCE."""

    answers: tuple[AnswerEnd, ...] = ()
    """How each answer ended, in order, where `n` is more than 1. What stands above is the first one's, but for `usage` and `timings`: those are sums, with the prompt counted once."""


@dataclass(frozen=True, slots=True)
class WeightsFile:
    """One weights file of a model."""

    name: str = ""
    """File name inside the model's folder; the first shard of a split file."""

    format: WeightsFormat = ""
    """Its format."""

    size_bytes: int = 0
    """Size, all shards."""

    digest: str = ""
    """`sha256:<hex>` where recorded."""


@dataclass(frozen=True, slots=True)
class ModelSummary:
    """A model on disk, in short."""

    name: str = ""
    """The name to use."""

    state: ModelState = ""
    """Whether it can be used."""

    reason: str = ""
    """One sentence when the state is not READY."""

    size_bytes: int = 0
    """Everything in its folder."""

    modified: datetime | None = None
    """When anything in the folder changed last."""

    formats: tuple[WeightsFormat, ...] = ()
    """Formats present, NPU first."""

    architecture: str = ""
    """Architecture (`llama`, `qwen2`); empty where the weights do not tell."""

    parameters: int = 0
    """Number of parameters; 0 where unknown."""

    quantization: str = ""
    """`Q4_K_M`, `w8a8` …; empty where unknown."""

    context_tokens: int = 0
    """Longest context the model was made for, in tokens; 0 where unknown."""

    digest: str = ""
    """`sha256:<hex>` over the model's files; empty while unknown."""

    resident: bool = False
    """Whether it is resident now."""

    board: str = ""
    """Board it is on, where a client joined the lists of several; empty in a board's own answer, which names it in the metadata `x-rkd-board`."""


@dataclass(frozen=True, slots=True)
class FileProgress:
    """Progress of one file."""

    name: str = ""
    """Its path in the repository or model folder."""

    done_bytes: int = 0
    """Done."""

    total_bytes: int = 0
    """Of."""

    resumed_bytes: int = 0
    """Of the done bytes, those that were already there when the task (re)started."""


@dataclass(frozen=True, slots=True)
class Progress:
    """Progress of a long task, in bytes or in steps."""

    stage: str = ""
    """What is being done now: one short sentence."""

    done_bytes: int = 0
    """Done, verified bytes only where bytes are verified. Never goes backwards."""

    total_bytes: int = 0
    """Of; 0 while unknown."""

    rate_bytes_per_s: float = 0.0
    """Bytes a second over the last seconds; 0 while unknown."""

    remaining_s: float | None = None
    """Left at this rate; absent while unknown."""

    files: tuple[FileProgress, ...] = ()
    """Each file on its own."""


@dataclass(frozen=True, slots=True)
class Operation:
    """A task that outlives the call that started it."""

    id: str = ""
    """Names it."""

    kind: OperationKind = ""
    """What it does."""

    model: str = ""
    """The model's name."""

    source: str = ""
    """What it works on: `user/repo:Q4_K_M`, for instance."""

    state: OperationState = ""
    """Where it is."""

    progress: Progress = Progress()
    """How far it is."""

    created: datetime | None = None
    """When it was first asked for."""

    finished: datetime | None = None
    """When it ended; absent before."""

    error_reason: str = ""
    """For FAILED: reason of the contract (`DISK_FULL`, `HUB_GATED` …)."""

    error_message: str = ""
    """For FAILED: what happened."""

    error_remedy: str = ""
    """For FAILED: what to do."""

    board: str = ""
    """Board it is on, where a client joined the lists of several; else empty."""
