"""What Show tells beyond the snapshot: chat template, header metadata, capabilities. Blocking."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from rkd.capability.chat_files import read_chat_files
from rkd.capability.chosen import CHAT_TEMPLATE, brought_for, chosen
from rkd.capability.template import TemplateTraits
from rkd.errors import InvalidInputError, PreconditionError
from rkd.model import BackendKind, Format, Model
from rkd.outside import escaped, shown
from rkd.weights import gguf, projector, rkllm
from rkd.weights.gguf import Header

_MAX_VALUE = 400
"""Characters of a metadata value people get to see; templates are shown on their own."""


@dataclass(frozen=True, slots=True)
class Facts:
    """
    What the files of a model say.

    Args:
        template: Jinja, as the runs of its backend take it; "" when the runtime's own is used.
        metadata: of the weights' header, long values cut, arrays left out.
    """

    template: str = ""
    metadata: dict[str, str] = field(default_factory=dict)
    capabilities: tuple[str, ...] = ()


def facts_of(model: Model, backend: BackendKind | None = None) -> Facts:
    """
    Read what the files of *model* say; what cannot be read is left out.

    Args:
        model: of any state.
        backend: on which it will run; None takes the one its weights are for, the NPU first.
    """
    header = _header(model)
    metadata = _metadata(header) if header else {}
    npu = model.weights_of(Format.RKLLM)
    backend = backend or (BackendKind.CPU if npu is None else BackendKind.NPU)
    in_header = header.text(CHAT_TEMPLATE) if header else ""
    brought = brought_for(backend, in_header=in_header, beside=_beside(model.folder))
    _, template = chosen(model.recipe.template, brought)
    if npu is not None:
        metadata |= _npu(npu.path)
    metadata |= _sight(model)
    return Facts(template, metadata, _capabilities(model, template, metadata))


def _header(model: Model) -> Header | None:
    file = model.weights_of(Format.GGUF)
    if file is None:
        return None
    try:
        return gguf.read_header(file.path)
    except (InvalidInputError, OSError):
        return None


def _metadata(header: Header) -> dict[str, str]:
    scalars = {
        shown(key): str(value)
        for key, value in header.metadata.items()
        if isinstance(value, int | float | str) and key != CHAT_TEMPLATE
    }
    return {
        key: escaped(value if len(value) <= _MAX_VALUE else value[: _MAX_VALUE - 1] + "…")
        for key, value in scalars.items()
    }


def _npu(path: Path) -> dict[str, str]:
    try:
        facts = rkllm.look(path)
    except OSError:
        return {}
    said = {"rkllm.toolkit": facts.toolkit, "rkllm.platform": facts.platform}
    said["rkllm.magic"] = facts.magic
    said["rkllm.problem"] = facts.problem
    return {key: value for key, value in said.items() if value}


def _sight(model: Model) -> dict[str, str]:
    said = {
        "projector.problem": model.blind_because,
        "encoder.problem": model.npu_blind_because,
        "encoder.file": shown(model.encoder.path.name) if model.encoder else "",
    }
    if model.projector is not None:
        try:
            kind = projector.kind_of(gguf.read_header(model.projector.path))
        except (InvalidInputError, OSError):
            kind = ""
        said |= {"projector.file": shown(model.projector.path.name), "projector.kind": shown(kind)}
    return {key: value[:_MAX_VALUE] for key, value in said.items() if value}


def _beside(folder: Path) -> str:
    """Return the template that the files next to the weights bring, or ""."""
    try:
        return read_chat_files(folder).template
    except PreconditionError:  # the load will say so
        return ""


def _capabilities(model: Model, template: str, metadata: dict[str, str]) -> tuple[str, ...]:
    architecture = model.details.architecture
    embeds = metadata.get(f"{architecture}.pooling_type", "0") != "0" or "bert" in architecture
    if embeds:
        return ("embedding",)
    # The NPU's runtime brings a template of its own.
    chats = bool(template) or model.weights_of(Format.RKLLM) is not None
    traits = TemplateTraits.of(template)
    named = (
        ("chat", chats),
        ("tools", traits.tools),
        ("thinking", bool(traits.switch or traits.think)),
        ("vision", model.projector is not None or model.encoder is not None),
    )
    return ("completion", *(name for name, holds in named if holds))
