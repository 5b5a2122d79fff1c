"""
What decides over a model's capabilities, read from its files as a load would read them.

Headers and templates only: milliseconds, no engine, the same in the daemon and in a worker.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from rkd.capability.chat_files import TOKENIZER, ChatFiles, read_chat_files
from rkd.capability.chosen import chosen
from rkd.capability.infill import Infill, of_tokenizer
from rkd.capability.purpose import Pooling, Purpose
from rkd.capability.rerank import first_of
from rkd.capability.template import TemplateTraits
from rkd.errors import PreconditionError
from rkd.inference import LoadSpec, Run, TemplateWay
from rkd.librkllmrt import FAMILIES, Family, identify
from rkd.model import BackendKind


@dataclass(frozen=True, slots=True)
class Traits:
    """
    One model on one backend.

    Args:
        backend: where.
        family: of the NPU's runtime; None on the CPU.
        way: which template makes a prompt of messages.
        plain: that template; None where there is none, or only the runtime's own.
        for_tools: another one for conversations with tools, or None.
        tokenizer: rkd can turn text into this model's tokens.
        pooling: how one vector is made of a text.
        encoder: it keeps no cache and cannot generate.
        head: it scores pairs of texts.
        rank_template: what asks it whether a document answers a query, or "".
        infill: its tokens for filling in, or None.
        embeddings: the load makes the engine ready to embed.
        vector_size: components of a vector; 0 where nobody tells before the load.
        adapters: (name, scale) of its LoRA adapters.
        projector: what makes tokens of pictures is loaded with it.
        blind_because: why it is not, or "".
    """

    backend: BackendKind
    family: Family | None = None
    way: TemplateWay = TemplateWay.RAW
    plain: TemplateTraits | None = None
    for_tools: TemplateTraits | None = None
    tokenizer: bool = True
    pooling: Pooling = Pooling.LAST
    encoder: bool = False
    head: bool = False
    rank_template: str = ""
    infill: Infill | None = None
    embeddings: bool = True
    vector_size: int = 0
    adapters: tuple[tuple[str, float], ...] = ()
    projector: bool = False
    blind_because: str = ""

    @property
    def on_npu(self) -> bool:
        """Whether Rockchip's runtime serves it."""
        return self.backend is BackendKind.NPU

    @property
    def fills_by_template(self) -> bool:
        """Whether a gap is filled in by the template, not by tokens for it."""
        return self.plain is not None and self.plain.suffix

    def way_of(self, run: Run) -> TemplateWay:
        """Which template makes the prompt of *run*."""
        own = self.overridden(run.template)
        by_tokens = run.suffix is not None and not own.fills_by_template
        return own.way if run.messages and not by_tokens else TemplateWay.RAW

    def template(self, *, tools: bool = False) -> TemplateTraits | None:
        """The template of a conversation, with or without tools."""
        return (self.for_tools if tools else None) or self.plain

    def overridden(self, template: str | None) -> Traits:
        """The same for a request that brings *template*; None brings none, "" is none at all."""
        if template is None:
            return self
        plain = TemplateTraits.of(template) if template else None
        way = TemplateWay.MODELFILE if template else TemplateWay.RAW
        return replace(self, way=way, plain=plain, for_tools=None)


def traits_of(spec: LoadSpec) -> tuple[Traits, str]:
    """
    Read what decides over the model *spec* loads, and name the runtime it is judged for.

    Where no library of the NPU is at hand, the newest known one is taken for it.
    """
    if spec.backend is BackendKind.CPU:
        return cpu_traits(spec), "llama.cpp"
    try:
        library = identify(
            Path(spec.runtime_library), version_override=spec.runtime_version_override
        )
    except PreconditionError:
        return npu_traits(spec, max(Family)), f"rkllm {next(reversed(FAMILIES))}"
    return npu_traits(spec, library.family), f"rkllm {library.version}"


def cpu_traits(spec: LoadSpec) -> Traits:
    """What the GGUF of *spec* and its Modelfile say."""
    purpose = Purpose.of(Path(spec.weights))
    files = ChatFiles(purpose.template, purpose.tool_template)
    way, plain, for_tools = _templates(spec, files)
    return Traits(
        BackendKind.CPU,
        way=way,
        plain=plain,
        for_tools=for_tools,
        pooling=purpose.pooling,
        encoder=purpose.encoder,
        head=purpose.head,
        rank_template=_rank_template(spec, purpose),
        infill=purpose.infill,
        embeddings=spec.embeddings,
        vector_size=purpose.vector_size,
        adapters=_adapters(spec),
        projector=bool(spec.projector),
        blind_because=spec.blind_because,
    )


def npu_traits(spec: LoadSpec, family: Family) -> Traits:
    """What a runtime of *family* and the files beside the weights of *spec* say."""
    folder = Path(spec.tokenizer_folder) if spec.tokenizer_folder else None
    files = ChatFiles()
    if folder is not None:
        with suppress(PreconditionError):  # the load will say so
            files = read_chat_files(folder)
    way, plain, for_tools = _templates(spec, files)
    # Before 1.2.0 the runtime sends prompts as they are: its examples wrap them by hand.
    if plain is None and spec.template != "" and family >= Family.V1_2_0:
        way = TemplateWay.RUNTIME
    return Traits(
        BackendKind.NPU,
        family=family,
        way=way,
        plain=plain,
        for_tools=for_tools,
        tokenizer=folder is not None and (folder / TOKENIZER).is_file(),
        rank_template=first_of((spec.template, files.rank_template)),
        infill=of_tokenizer(folder / TOKENIZER) if folder is not None else None,
        adapters=_adapters(spec),
        projector=spec.vision is not None,
        blind_because=spec.blind_because,
    )


def _templates(
    spec: LoadSpec, files: ChatFiles
) -> tuple[TemplateWay, TemplateTraits | None, TemplateTraits | None]:
    way, text = chosen(spec.template, files.template)
    plain = TemplateTraits.of(text) if text else None
    own_for_tools = files.tool_template if spec.template is None else ""
    return way, plain, TemplateTraits.of(own_for_tools) if own_for_tools else None


def _rank_template(spec: LoadSpec, purpose: Purpose) -> str:
    """The Modelfile's, else the GGUF's, else one that stands beside it."""
    if purpose.head or purpose.encoder:
        return ""
    found = first_of((spec.template, purpose.rank_template, purpose.template))
    if not found and spec.tokenizer_folder:
        with suppress(PreconditionError):  # nothing else of these files is used on the CPU
            found = read_chat_files(Path(spec.tokenizer_folder)).rank_template
    return found


def _adapters(spec: LoadSpec) -> tuple[tuple[str, float], ...]:
    return tuple((name, scale) for name, _path, scale in spec.adapters)
