"""
One vision encoder, resident beside its model: a picture in, what the model reads of it out.

Sizes are asked of the encoder, never believed of a Modelfile. What a picture became is kept by the
picture, for a conversation shows the same ones with every turn and the encoder takes seconds.
"""

from __future__ import annotations

import hashlib
import math
from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from rkd.backend.pictures.decode import framed
from rkd.backend.rknn.abi import BAD_MODEL, NO_MEMORY, OTHER_CHIP, TensorFormat
from rkd.backend.rknn.runtime import FLOAT_BYTES, RknnError, RknnRuntime, RknnTensor
from rkd.errors import InternalError, PreconditionError, Reason
from rkd.model import Media
from rkd.outside import shown

MAX_SIDE = 4096
MAX_TOKENS = 16_384
MAX_WIDTH = 65_536
COLOURS = 3
KEPT_BYTES = 64 << 20
"""Of what pictures became: one of Qwen3-VL-2B is 6.4 MB (196 tokens of four times 2,048)."""


@dataclass(frozen=True, slots=True)
class Sizes:
    """
    What an encoder reads and writes.

    Args:
        width, height: pixels of the picture it reads.
        tokens: that one picture becomes.
        embedding: numbers of a token in one output.
        outputs: one; more for deepstack, whose numbers stand together token by token.
    """

    width: int
    height: int
    tokens: int
    embedding: int
    outputs: int


@dataclass(frozen=True, slots=True)
class Embedded:
    """
    Pictures as the model's runtime reads them.

    Args:
        floats: float32, picture after picture, token after token.
        count: how many pictures.
        sizes: of the encoder.
    """

    floats: bytes
    count: int
    sizes: Sizes


class Encoder:
    """
    One .rknn in librknnrt; used by one thread at a time.

    Args:
        library: path of librknnrt.so.
        model: the .rknn.
        core_mask: NPU cores to run on, 0 for the library's choice.

    Whoever calls `encode` holds the NPU's lease meanwhile, as for the model's own runs.

    Raises:
        PreconditionError: RUNTIME_MISMATCH, PLATFORM_MISMATCH, LOAD_FAILED.
    """

    def __init__(self, library: Path, model: Path, core_mask: int) -> None:
        self._runtime = RknnRuntime(library)
        self._kept: OrderedDict[bytes, bytes] = OrderedDict()
        try:
            self._runtime.init(model, core_mask)
            self.sizes = _sizes(*self._runtime.tensors())
        except RknnError as error:
            self._runtime.close()
            raise _load_failure(model, error) from error
        except ValueError as error:
            self._runtime.close()
            what = f"{shown(model.name)} is no vision encoder rkd can use: {error}"
            raise PreconditionError(Reason.LOAD_FAILED, what) from error
        self.version = self._runtime.version()

    @property
    def memory_bytes(self) -> int:
        """What the NPU holds for it."""
        return self._runtime.memory_bytes()

    def encode(self, pictures: Iterable[Media]) -> Embedded:
        """
        Encode *pictures*, in their order; each is encoded once as long as it is kept.

        Raises:
            InvalidInputError: INVALID_FIELD by place, one that cannot be decoded.
            InternalError: the encoder failed.
        """
        made = [self._one(picture) for picture in pictures]
        return Embedded(b"".join(made), len(made), self.sizes)

    def close(self) -> None:
        """Give it back; safe to call twice."""
        self._runtime.close()

    def _one(self, picture: Media) -> bytes:
        key = hashlib.sha256(picture.data).digest()
        if (known := self._kept.get(key)) is not None:
            self._kept.move_to_end(key)
            return known
        pixels = framed(picture, self.sizes.width, self.sizes.height)
        try:
            outputs = self._runtime.run(pixels, self.sizes.outputs)
        except RknnError as error:
            raise _run_failure(error) from error
        made = interleaved(outputs, self.sizes)
        self._kept[key] = made
        while sum(map(len, self._kept.values())) > KEPT_BYTES and len(self._kept) > 1:
            self._kept.popitem(last=False)
        return made


def interleaved(outputs: list[bytes], sizes: Sizes) -> bytes:
    """
    Put several outputs together token by token, as the model's runtime reads deepstack.

    Raises:
        InternalError: one has another length than the encoder said.
    """
    row = sizes.embedding * FLOAT_BYTES
    for one in outputs:
        if len(one) != row * sizes.tokens:
            said = f"the vision encoder gave {len(one)} bytes and not {row * sizes.tokens}"
            raise InternalError(Reason.INTERNAL, said)
    if len(outputs) == 1:
        return outputs[0]
    pieces = (one[at * row : (at + 1) * row] for at in range(sizes.tokens) for one in outputs)
    return b"".join(pieces)


def _sizes(inputs: tuple[RknnTensor, ...], outputs: tuple[RknnTensor, ...]) -> Sizes:
    """
    Read the sizes out of the encoder's own shapes.

    Raises:
        ValueError: they are not those of one.
    """
    dims = inputs[0].dims
    if len(dims) != 4 or dims[0] != 1:  # noqa: PLR2004 - one picture: height, width, colours
        raise ValueError(f"it reads {dims}")
    is_planar = inputs[0].fmt == TensorFormat.NCHW
    colours, height, width = dims[1:] if is_planar else (dims[3], dims[1], dims[2])
    if colours != COLOURS or not (1 <= width <= MAX_SIDE and 1 <= height <= MAX_SIDE):
        raise ValueError(f"it reads {dims}")
    tokens, embedding = _rows(outputs[0].dims)
    if any(_rows(one.dims) != (tokens, embedding) for one in outputs):
        raise ValueError("its outputs differ in shape")
    return Sizes(width, height, tokens, embedding, len(outputs))


def _rows(dims: tuple[int, ...]) -> tuple[int, int]:
    """Return tokens and width: the first dimension over 1, and the next."""
    at = next((at for at, one in enumerate(dims) if one > 1), len(dims))
    tokens, *rest = dims[at:] or (0,)
    embedding = math.prod(rest)
    if not (1 <= tokens <= MAX_TOKENS and 1 <= embedding <= MAX_WIDTH) or not rest:
        raise ValueError(f"it writes {dims}")
    return tokens, embedding


def _load_failure(model: Path, error: RknnError) -> PreconditionError:
    name = shown(model.name)
    reason, remedy = Reason.LOAD_FAILED, "Pull the encoder again, or one made by another toolkit."
    if error.status == OTHER_CHIP:
        reason, remedy = Reason.PLATFORM_MISMATCH, "Take the encoder made for this board's chip."
    elif error.status == NO_MEMORY:
        remedy = "Let other models leave (`rkctl stop`), or take a smaller encoder."
    elif error.status == BAD_MODEL:
        remedy = "Install a newer librknnrt.so, or pull the encoder again."
    return PreconditionError(
        reason,
        f"the vision encoder {name} cannot be loaded: {error}",
        remedy=remedy,
        metadata={"file": name, "status": str(error.status)},
    )


def _run_failure(error: RknnError) -> InternalError:
    return InternalError(
        Reason.INTERNAL,
        f"the vision encoder failed: {error}",
        remedy="Ask again; if it goes on, load the model anew (`rkctl stop`), and look at the log.",
    )
