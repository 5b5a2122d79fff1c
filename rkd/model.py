"""
What a model is: names, formats and states as frozen plain types.

No I/O here: `library/` finds models on disk, `pool/` holds them in memory.
"""

from __future__ import annotations

import enum
import re
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from rkd.errors import InvalidInputError, Reason, Violation

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}")
_LATEST = ":latest"


def is_name(text: str) -> bool:
    """Whether *text* is a model's name as it stands, and so safe as part of a path."""
    return _NAME.fullmatch(text) is not None


@dataclass(frozen=True, slots=True)
class ModelName:
    """
    A checked model name: `[A-Za-z0-9_][A-Za-z0-9._-]{0,127}`, kept as written.

    Two names are the same model when they are equal ignoring case; compare `key`.
    Only values of this type ever become part of a path.
    """

    text: str

    @classmethod
    def parse(cls, text: str, *, field_name: str = "model") -> ModelName:
        """
        Check *text*; a `:latest` is dropped.

        Raises:
            InvalidInputError: INVALID_NAME, for any other tag or a bad character.
        """
        bare = text.removesuffix(_LATEST)
        if _NAME.fullmatch(bare):
            return cls(bare)
        what = (
            f"model names have no tags in rkd, {text!r} carries one"
            if ":" in bare and "/" not in bare
            else f"{text[:160]!r} is not a model name"
        )
        raise InvalidInputError(
            Reason.INVALID_NAME,
            what,
            remedy="Use letters, digits, '.', '_' and '-', at most 128, not starting with '.' or "
            "'-' (for example `qwen2.5-1.5b-q4_k_m`).",
            metadata={"name": text[:160]},
            violations=(Violation(field_name, what),),
        )

    @property
    def key(self) -> str:
        """The form under which names are compared and stored in maps."""
        return self.text.casefold()

    def __str__(self) -> str:
        return self.text


class Format(enum.StrEnum):
    """What the weights are written in, and so which backend can run them."""

    RKLLM = "rkllm"
    GGUF = "gguf"


class BackendKind(enum.StrEnum):
    """Where a model runs."""

    NPU = "npu"
    CPU = "cpu"


class BackendChoice(enum.StrEnum):
    """What was asked for; AUTO means the NPU where possible, else the CPU."""

    AUTO = "auto"
    NPU = "npu"
    CPU = "cpu"


class ModelState(enum.StrEnum):
    """What the library knows of a model on disk; memory states are the pool's."""

    READY = "ready"
    NEEDS_MODELFILE = "needs-modelfile"
    INCOMING = "incoming"
    INVALID = "invalid"


@dataclass(frozen=True, slots=True)
class WeightsFile:
    """
    A weights file of a model folder; shards of a split GGUF count as one, named by the first.

    Args:
        toolkit: version of Rockchip's toolkit that wrote a .rkllm, or "".
        fingerprint: tells a .rkllm from every other by its content, or "", see `weights.rkllm`.
    """

    path: Path
    format: Format
    size_bytes: int
    modified_ns: int
    toolkit: str = ""
    fingerprint: str = ""


@dataclass(frozen=True, slots=True)
class Details:
    """
    What the weights say of themselves; empty or 0 where the file does not tell.

    Args:
        architecture: as in the GGUF (`llama`, `qwen2`).
        parameters: number of weights.
        quantization: `Q4_K_M`, `w8a8` ….
        context_tokens: the longest context the model was made for.
        layers, heads, kv_heads, head_size, embedding_size: as the attention sees them; `heads` is
            of the queries; head_size is of keys and values.
        has_template: the weights or the folder bring a chat template.
        companion: what the weights are instead of a model (`a projector`, `an adapter`); "" for
            a model.
    """

    architecture: str = ""
    parameters: int = 0
    quantization: str = ""
    context_tokens: int = 0
    layers: int = 0
    heads: int = 0
    kv_heads: int = 0
    head_size: int = 0
    embedding_size: int = 0
    has_template: bool = False
    companion: str = ""


@dataclass(frozen=True, slots=True)
class Provenance:
    """Where a model came from, as kept in `.rkd.json` beside it."""

    repository: str = ""
    revision: str = ""
    created: datetime | None = None
    digests: tuple[tuple[str, str], ...] = ()
    """(file name, `sha256:<hex>`) pairs."""


@dataclass(frozen=True, slots=True)
class Media:
    """
    A picture as its file holds it, looked at and not decoded.

    Args:
        data: the file's content.
        width, height: pixels, as its header says.
        place: where in the request it stood (`messages[2].parts[1]`), for errors.
    """

    data: bytes = field(repr=False)
    width: int
    height: int
    place: str = field(default="", compare=False)


@dataclass(frozen=True, slots=True)
class VisionEncoder:
    """
    What lets a model on the NPU see.

    Args:
        path: of the .rknn, absolute.
        library: of the `librknnrt.so` for it.
        cores: mask of the NPU cores it runs on; 0 leaves it to the library.
        tags: start, end and content of a picture as the Modelfile has them; empty texts leave
            them to the family.
    """

    path: str
    library: str
    cores: int = 0
    tags: tuple[str, str, str] = ("", "", "")


Part = str | Media
"""A piece of a turn or prompt; two texts never follow each other."""


@dataclass(frozen=True, slots=True)
class Message:
    """
    One turn of a conversation; role is system, user, assistant or tool.

    Args:
        content: its text; of a turn with pictures the text around them.
        parts: text and pictures in order where there are pictures, else empty.
    """

    role: str
    content: str
    reasoning: str = ""
    tool_calls: tuple[ToolCall, ...] = ()
    tool_name: str = ""
    tool_call_id: str = ""
    parts: tuple[Part, ...] = ()


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A call the model made; arguments_json is whole JSON text."""

    id: str
    name: str
    arguments_json: str


@dataclass(frozen=True, slots=True)
class Recipe:
    """
    What a model's Modelfile asks for, dialect-free.

    Args:
        parameters: (key, value) in Ollama's spelling (`num_ctx`, `temperature`, `stop` …), in
            order; `stop` may repeat. Values are typed: int, float, bool or str.
        system, template: None when the Modelfile does not say; "" clears. A template is always
            Jinja: `modelfile/` has rewritten Go's.
        messages: MESSAGE turns put before the conversation.
        huggingface_path: `user/repo` naming tokenizer and template, or "".
    """

    parameters: tuple[tuple[str, int | float | bool | str], ...] = ()
    system: str | None = None
    template: str | None = None
    messages: tuple[Message, ...] = ()
    adapters: tuple[str, ...] = ()
    licenses: tuple[str, ...] = ()
    huggingface_path: str = ""

    def parameter(self, key: str) -> int | float | bool | str | None:
        """The last value given for *key*, or None."""
        for name, value in reversed(self.parameters):
            if name == key:
                return value
        return None

    def listed(self, key: str) -> tuple[int | float | bool | str, ...]:
        """Every value given for *key*, in order."""
        return tuple(value for name, value in self.parameters if name == key)


@dataclass(frozen=True, slots=True)
class Model:
    """
    One model folder as the library's snapshot holds it: immutable, safe to hand around.

    Args:
        folder: absolute path of `<models>/<name>`.
        weights: NPU weights first; empty only while INCOMING or INVALID.
        projector: what makes pictures of the GGUF's kind of tokens, or None.
        blind_because: why it has none where files that might be are there; "" else.
        encoder: what makes them of the .rkllm's kind, a .rknn, or None.
        npu_blind_because: the same of it.
        reason: one sentence when the state is not READY.
        size_bytes: everything in the folder.
        version: changes whenever anything in the folder changed.
    """

    name: ModelName
    folder: Path
    state: ModelState
    weights: tuple[WeightsFile, ...] = ()
    projector: WeightsFile | None = None
    blind_because: str = ""
    encoder: WeightsFile | None = None
    npu_blind_because: str = ""
    modelfile_text: str = ""
    recipe: Recipe = field(default_factory=Recipe)
    details: Details = field(default_factory=Details)
    provenance: Provenance = field(default_factory=Provenance)
    size_bytes: int = 0
    modified: datetime | None = None
    reason: str = ""
    version: str = ""

    def weights_of(self, wanted: Format) -> WeightsFile | None:
        """The file of format *wanted*, or None."""
        return next((file for file in self.weights if file.format is wanted), None)
