"""A tensor of a checkpoint, still in its file: a mapped array and what its bits mean."""

from __future__ import annotations

import math
import mmap
import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from rkd.errors import InvalidInputError, Reason
from rkd.outside import QUOTED_CHARACTERS, open_regular, quoted, shown

MAX_DIMENSIONS = 8
"""A language model's tensors have one or two."""
MAX_NUMBERS = 2**48
"""Bounds the product of a shape: a list of a million numbers of 4,000 digits takes for ever."""

LAYOUTS: dict[str, type[np.generic]] = {
    "F64": np.float64,
    "F32": np.float32,
    "F16": np.float16,
    "BF16": np.uint16,
}
"""Number types a checkpoint may have; bfloat16 has no numpy type and is kept as its bits."""


@dataclass(frozen=True, slots=True)
class Stored:
    """
    One tensor.

    Args:
        kind: a key of `LAYOUTS`.
        raw: a read-only view of the file, outermost dimension first.
    """

    name: str
    kind: str
    raw: npt.NDArray[np.generic]

    @property
    def shape(self) -> tuple[int, ...]:
        """Outermost dimension first, as the checkpoint has it."""
        return self.raw.shape


def as_float32(raw: npt.NDArray[np.generic], kind: str) -> npt.NDArray[np.float32]:
    """Return the numbers *raw* stands for, as f32, in C order."""
    if kind == "BF16":
        bits = np.ascontiguousarray(raw).astype(np.uint32) << 16
        return bits.view(np.float32)
    return np.ascontiguousarray(raw).astype(np.float32, copy=False)


def map_file(path: Path) -> memoryview:
    """
    Map the regular file *path* for reading; the mapping lives as long as a view of it does.

    Raises:
        InvalidInputError: WEIGHTS_INVALID; it is empty, or no regular file in its folder.
    """
    try:
        with open_regular(path, within=path.parent) as opened:
            if os.fstat(opened.fileno()).st_size == 0:
                raise broken(path.name, "it is empty")
            return memoryview(mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_READ))
    except OSError as error:
        raise broken(path.name, error.strerror or "it cannot be opened") from error


def view(
    data: memoryview, kind: str, start: int, shape: tuple[int, ...], what: str
) -> npt.NDArray[np.generic]:
    """
    Return the array of *shape* that begins at byte *start* of *data*.

    Raises:
        InvalidInputError: WEIGHTS_INVALID; it reaches outside the file.
    """
    if len(shape) > MAX_DIMENSIONS or not all(0 < one < MAX_NUMBERS for one in shape):
        raise broken(what, f"a tensor has the shape {shape_text(shape)}")
    count = math.prod(shape)
    layout = np.dtype(LAYOUTS[kind])
    if start < 0 or start + count * layout.itemsize > len(data):
        raise broken(what, "a tensor reaches past the end of the file")
    return np.frombuffer(data, layout, count, start).reshape(shape)


def shape_text(shape: tuple[object, ...]) -> str:
    """Write the beginning of a shape for an error."""
    rest = ", …" * (len(shape) > MAX_DIMENSIONS)
    text = ", ".join(quoted(one)[:40] for one in shape[:MAX_DIMENSIONS])
    return f"[{text[:QUOTED_CHARACTERS]}{rest}]"


def unsupported(what: str, problem: str, remedy: str = "") -> InvalidInputError:
    """Build the ARCHITECTURE_UNSUPPORTED error of the checkpoint *what*."""
    return InvalidInputError(
        Reason.ARCHITECTURE_UNSUPPORTED,
        f"{shown(what)} cannot be converted: {problem}",
        remedy=remedy
        or "Pull a .gguf of this model (`rkctl search NAME`), or convert it elsewhere with "
        "llama.cpp's convert_hf_to_gguf.py and create from the .gguf.",
        metadata={"model": shown(what)},
    )


def broken(what: str, problem: str) -> InvalidInputError:
    """Build the WEIGHTS_INVALID error of the checkpoint file *what*."""
    return InvalidInputError(
        Reason.WEIGHTS_INVALID,
        f"{shown(what)} cannot be read: {problem}",
        remedy="Download or save the checkpoint again, and compare its size and digest.",
        metadata={"file": shown(what)},
    )


def quantized(what: str, method: str) -> InvalidInputError:
    """Build the error of a checkpoint that is quantized by *method*."""
    return InvalidInputError(
        Reason.WEIGHTS_INVALID,
        f"{shown(what)} is quantized already ({shown(method[:QUOTED_CHARACTERS])}) and cannot be "
        "converted",
        remedy="Take the original checkpoint (F16, BF16 or F32), create from it, and let rkd "
        "quantize: `rkctl create NAME -f Modelfile -q Q4_K_M`.",
        metadata={"file": shown(what), "quantization": shown(method[:QUOTED_CHARACTERS])},
    )
