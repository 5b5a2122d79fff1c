"""
Whether a projector, the half of a model that sees, is one an engine can be given; pure.

llama.cpp calls many tensors of one optional and follows null pointers when a picture comes, and
its numbers reach divisions and assertions unread. What is refused here was seen to end it (b11549,
one process each: every tensor and key of five kinds left out, halved, or set to the edges).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

from rkd.errors import InvalidInputError
from rkd.outside import quoted
from rkd.weights import gguf
from rkd.weights.allowance import Allowance
from rkd.weights.gguf import Array, Header, Tensor

ARCHITECTURE = "clip"
MAX_LAYERS = 1024
MAX_WIDTH = 1 << 16
MAX_SIDE = 1 << 13
"""Pixels; 1,792 is the largest in use."""
MOST_PATCHES = 1 << 16
"""Of one picture; 4,900 are in use."""
COLOURS = 3

_VISION = "clip.vision."


@dataclass(frozen=True, slots=True)
class _Kind:
    """
    What one kind of projector needs beyond what all do.

    Args:
        tensors: that have to be there.
        biased: the attention has biases.
        scaled: patches are put together, as many a side as its scale says.
        classed: a token for the whole picture stands before its patches.
    """

    tensors: tuple[str, ...]
    biased: bool = False
    scaled: bool = False
    classed: bool = False


_POSITIONS, _CLASS = "v.position_embd.weight", "v.class_embd"
_SECOND_PATCH = "v.patch_embd.weight.1"
_KINDS = {
    "mlp": _Kind((_POSITIONS, "mm.0.weight", "mm.0.bias", "mm.2.weight", "mm.2.bias")),
    "idefics3": _Kind(("mm.model.fc.weight",), scaled=True),
    "gemma3": _Kind(("mm.input_projection.weight", "mm.soft_emb_norm.weight")),
    "internvl": _Kind(
        (_POSITIONS, _CLASS, "mm.model.mlp.1.weight", "mm.model.mlp.3.weight"),
        scaled=True,
        classed=True,
    ),
    "qwen2vl_merger": _Kind((_SECOND_PATCH, "mm.0.weight", "mm.2.weight"), biased=True),
    "qwen2.5vl_merger": _Kind((_SECOND_PATCH, "mm.0.weight", "mm.2.weight"), biased=True),
}
_OUTPUTS = {
    "mlp": "mm.2.weight",
    "idefics3": "mm.model.fc.weight",
    "internvl": "mm.model.mlp.3.weight",
    "qwen2vl_merger": "mm.2.weight",
    "qwen2.5vl_merger": "mm.2.weight",
}
"""The last layer: as wide as the model's embeddings. gemma3's lies the other way round."""


def is_projector(header: Header) -> bool:
    """Whether *header* is that of a projector, whatever its file is called."""
    architecture, kind = header.text("general.architecture"), header.text("general.type")
    return architecture == ARCHITECTURE or kind == "mmproj"


def sees(header: Header) -> bool:
    """Whether the projector sees; some only hear."""
    said = header.metadata.get("clip.has_vision_encoder")
    return said is True or (said is None and f"{_VISION}patch_size" in header.metadata)


def kind_of(header: Header) -> str:
    """What kind of projector it says it is, or ""."""
    return header.text(f"{_VISION}projector_type") or header.text("clip.projector_type")


def inspect(path: Path, width: int = 0, allowance: Allowance | None = None) -> None:
    """
    Read the header of the projector *path* and check it; see `check`.

    Raises:
        InvalidInputError: WEIGHTS_INVALID.
        OSError: it cannot be read.
    """
    check(gguf.read_header(path, allowance), path.name, width)


def check(header: Header, what: str, width: int = 0) -> None:
    """
    Refuse a projector that would end an engine.

    Args:
        header: of its file.
        what: names the file in errors.
        width: of the model's embeddings; 0 where that is not known.

    Raises:
        InvalidInputError: WEIGHTS_INVALID.
    """
    problem = _problem(header, width)
    if problem:
        raise _refusal(what, problem)


def _refusal(what: str, problem: str) -> InvalidInputError:
    return gguf.invalid(
        what, problem, "Download the projector of this very model again, of its own repository."
    )


def _problem(header: Header, width: int) -> str:
    if not is_projector(header):
        return f"it is no projector but {quoted(header.text('general.architecture'))}"
    if not sees(header):
        return "it has no vision encoder"
    kind = kind_of(header)
    if not kind:
        return "it does not say what kind of projector it is"
    problem = _number_problem(header, known=kind in _KINDS)
    if problem or kind not in _KINDS:
        return problem  # of what is not known, the loader's own word is taken
    tensors = {tensor.name: tensor for tensor in header.tensors}
    return (
        _missing(_KINDS[kind], header, tensors)
        or _encoder_problem(header, tensors)
        or _position_problem(_KINDS[kind], header, tensors)
        or _scale_problem(_KINDS[kind], header, tensors)
        or _output_problem(kind, header, tensors, width)
    )


_PERHAPS_NONE = frozenset({"feed_forward_length", "block_count", "attention.head_count"})
"""Encoders that are no vision transformer may have none."""


def _number_problem(header: Header, *, known: bool) -> str:
    bounds = {
        "image_size": MAX_SIDE,
        "patch_size": MAX_SIDE,
        "embedding_length": MAX_WIDTH,
        "feed_forward_length": MAX_WIDTH * 8,
        "block_count": MAX_LAYERS,
        "attention.head_count": MAX_WIDTH,
        "projection_dim": MAX_WIDTH * 8,
        "projector.scale_factor": MAX_SIDE,
        "preproc_image_size": MAX_SIDE * 4,
    }
    for key, high in bounds.items():
        value = header.metadata.get(_VISION + key)
        if value is None:
            continue
        number = header.number(_VISION + key, -1)
        low = 1 if known or key not in _PERHAPS_NONE else 0
        if not low <= number <= high:
            return f"{_VISION}{key} is {str(value)[:40]}; {low} to {high} is possible"
    epsilon = header.metadata.get(f"{_VISION}attention.layer_norm_epsilon", 1e-6)
    if not isinstance(epsilon, float) or not 0 <= epsilon < 1:
        return f"{_VISION}attention.layer_norm_epsilon is {str(epsilon)[:40]}"
    return _colour_problem(header) or _side_problem(header)


def _colour_problem(header: Header) -> str:
    for key in ("image_mean", "image_std"):
        value = header.metadata.get(_VISION + key)
        if value is None:
            continue
        if not isinstance(value, Array) or value.length != COLOURS:
            return f"{_VISION}{key} has not {COLOURS} numbers"
        if not all(math.isfinite(one) for one in value.values):
            return f"{_VISION}{key} has a number that is none"
        if key == "image_std" and 0 in value.values:
            return f"{_VISION}{key} has a 0, by which would be divided"
    return ""


def _side_problem(header: Header) -> str:
    """Hold sizes against each other: patches into the picture, heads into the width."""
    side, patch = (header.number(f"{_VISION}{key}") for key in ("image_size", "patch_size"))
    if side and patch and patch > side:
        return f"a patch of {patch} pixels is larger than the picture of {side}"
    if side and patch and (side // patch) ** 2 > MOST_PATCHES:
        return f"a picture of {side} pixels has too many patches of {patch}"
    width = header.number(f"{_VISION}embedding_length")
    heads = header.number(f"{_VISION}attention.head_count")
    if width and heads and width % heads:
        return f"{heads} heads cannot share a width of {width}"
    return ""


def _encoder_problem(header: Header, tensors: dict[str, Tensor]) -> str:
    """Look at what nearly all have: patches, and blocks of attention."""
    width = header.number(f"{_VISION}embedding_length")
    patch = header.number(f"{_VISION}patch_size")
    patches = tensors.get("v.patch_embd.weight")
    if patches is not None and len(patches.shape) == 4:  # noqa: PLR2004 - side, side, colours, width
        wanted = (patch, patch, COLOURS, width)
        if patches.shape != wanted:
            return f"v.patch_embd.weight has the shape {patches.shape}, not {wanted}"
    for layer in range(header.number(f"{_VISION}block_count")):
        problem = _block_problem(f"v.blk.{layer}.", tensors, width)
        if problem:
            return problem
    return ""


def _block_problem(block: str, tensors: dict[str, Tensor], width: int) -> str:
    for one in "qkv":
        weights = tensors.get(f"{block}attn_{one}.weight")
        if weights is not None and weights.shape != (width, width):
            return f"{weights.name} has the shape {weights.shape}, not {(width, width)}"
    return _pair_problem(block, tensors, width)


def _pair_problem(block: str, tensors: dict[str, Tensor], width: int) -> str:
    """Hold the layers behind the attention against its width, and against each other."""
    output = tensors.get(f"{block}attn_out.weight")
    if output is not None and output.shape != (width, width):
        return f"{output.name} has the shape {output.shape}, not {(width, width)}"
    up, down = (tensors.get(f"{block}ffn_{one}.weight") for one in ("up", "down"))
    if up is None or down is None:
        return ""
    # Old files have the two under each other's name.
    if up.shape == down.shape[::-1] and width in {up.shape[0], down.shape[0]}:
        return ""
    return f"{up.name} has the shape {up.shape}, and {down.name} {down.shape}"


def _missing(known: _Kind, header: Header, tensors: dict[str, Tensor]) -> str:
    """Say what is not there of what the engine would follow."""
    needed = ["v.patch_embd.weight", *known.tensors]
    for layer in range(header.number(f"{_VISION}block_count")):
        block = f"v.blk.{layer}.attn_"
        if f"{block}qkv.weight" in tensors:
            continue
        parts = ("weight", "bias") if known.biased else ("weight",)
        needed += [f"{block}{one}.{part}" for one in "qkv" for part in parts]
    missing = next((name for name in needed if name not in tensors), "")
    return f"the tensor {missing} is missing" if missing else ""


def _position_problem(known: _Kind, header: Header, tensors: dict[str, Tensor]) -> str:
    positions = tensors.get(_POSITIONS)
    if positions is None:
        return ""
    width = header.number(f"{_VISION}embedding_length")
    side, patch = (header.number(f"{_VISION}{key}") for key in ("image_size", "patch_size"))
    first = 1 if _CLASS in tensors else 0
    wanted = (width, (side // max(patch, 1)) ** 2 + first)
    if positions.shape != wanted:
        return f"{_POSITIONS} has the shape {positions.shape}, not {wanted}"
    if known.classed and tensors[_CLASS].weights != width:
        return f"{_CLASS} has the shape {tensors[_CLASS].shape}, not {(width,)}"
    return ""


def _scale_problem(known: _Kind, header: Header, tensors: dict[str, Tensor]) -> str:
    if not known.scaled:
        return ""
    scale = header.number(f"{_VISION}projector.scale_factor")
    side, patch = (header.number(f"{_VISION}{key}") for key in ("image_size", "patch_size"))
    if not scale or (side // max(patch, 1)) % scale:
        return f"{_VISION}projector.scale_factor is {scale}, and {side // max(patch, 1)} a side"
    first = tensors.get("mm.model.fc.weight") or tensors["mm.model.mlp.1.weight"]
    wanted = header.number(f"{_VISION}embedding_length") * scale * scale
    if first.shape[0] != wanted:
        return f"{first.name} reads {first.shape[0]} numbers, and is given {wanted}"
    return ""


def _output_problem(kind: str, header: Header, tensors: dict[str, Tensor], width: int) -> str:
    embedding = header.number(f"{_VISION}embedding_length")
    if kind == "gemma3":
        last = tensors["mm.input_projection.weight"]
        if last.shape[-1] != embedding:
            return f"{last.name} reads {last.shape[-1]} numbers, and is given {embedding}"
        given = last.shape[0]
    else:
        last = tensors[_OUTPUTS[kind]]
        given = last.shape[-1]
    problem = _chain_problem(kind, tensors, embedding)
    if problem:
        return problem
    if width and given != width:
        return f"it makes {given} numbers of a patch, and the model reads {width}"
    return ""


def _chain_problem(kind: str, tensors: dict[str, Tensor], embedding: int) -> str:
    """Hold the projection's layers against each other, where it has two."""
    pairs = {
        "mlp": ("mm.0.weight", "mm.2.weight"),
        "internvl": ("mm.model.mlp.1.weight", "mm.model.mlp.3.weight"),
        "qwen2vl_merger": ("mm.0.weight", "mm.2.weight"),
        "qwen2.5vl_merger": ("mm.0.weight", "mm.2.weight"),
    }
    if kind not in pairs:
        return ""
    first, second = (tensors[name] for name in pairs[kind])
    if kind == "mlp" and first.shape[0] != embedding:
        return f"{first.name} reads {first.shape[0]} numbers, and is given {embedding}"
    if kind.startswith("qwen") and first.shape[0] != embedding * 4:
        return f"{first.name} reads {first.shape[0]} numbers, and is given {embedding * 4}"
    if second.shape[0] != first.shape[-1]:
        return f"{second.name} reads {second.shape[0]} numbers, and is given {first.shape[-1]}"
    return ""
