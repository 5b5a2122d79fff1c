"""
ctypes on the C API of ggml that the engine's wheel exports: turning rows of weights into blocks.

Only declarations and the calls; which tensor becomes what is `mix.py`'s, the file `quantize.py`'s.
**Source**: `ggml.h` of llama.cpp b11549 (`ggml_quantize_chunk`, `ggml_row_size`), exported by
`xllamacpp*.so` on x86-64 and aarch64 (`nm -D`).
"""

from __future__ import annotations

import ctypes
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import numpy.typing as npt

from rkd.backend.openmp import preload, refusal
from rkd.errors import PreconditionError, Reason

Rows = npt.NDArray[np.float32]


def engine_library() -> Path:
    """
    Return the path of the wheel's library, without importing the wheel.

    Raises:
        PreconditionError: CAPABILITY_UNSUPPORTED; the wheel is not installed.
    """
    spec = find_spec("xllamacpp")
    for folder in (spec.submodule_search_locations or ()) if spec else ():
        for path in sorted(Path(folder).glob("xllamacpp*.so")):
            return path
    raise PreconditionError(
        Reason.CAPABILITY_UNSUPPORTED,
        "the llama.cpp engine is not installed, so weights cannot be quantized here",
        remedy="Install it: in rkd's checkout, `pip install '.[daemon]'`.",
    )


class Ggml:
    """
    The library, loaded; safe to call from several threads, which run side by side (no GIL held).

    Args:
        library: what `engine_library` returned.

    Raises:
        PreconditionError: LOAD_FAILED; the system lacks a library it is linked with.
    """

    def __init__(self, library: Path) -> None:
        preload()
        try:
            self._library = ctypes.CDLL(str(library))
        except OSError as error:
            raise refusal("llama.cpp", error) from error
        self._quantize = self._library.ggml_quantize_chunk
        self._quantize.argtypes = (
            ctypes.c_int,  # enum ggml_type
            ctypes.c_void_p,  # const float * src
            ctypes.c_void_p,  # void * dst
            ctypes.c_int64,  # start, in weights
            ctypes.c_int64,  # rows
            ctypes.c_int64,  # weights a row
            ctypes.c_void_p,  # const float * importance matrix, or null
        )
        self._quantize.restype = ctypes.c_size_t
        self._row_size = self._library.ggml_row_size
        self._row_size.argtypes = (ctypes.c_int, ctypes.c_int64)
        self._row_size.restype = ctypes.c_size_t

    def row_bytes(self, kind: int, weights: int) -> int:
        """Bytes a row of *weights* takes as type *kind*; ggml's own word on it."""
        size: int = self._row_size(kind, weights)
        return size

    def quantize(self, kind: int, rows: Rows) -> bytes:
        """
        Return *rows* (two dimensions, C order, row length a multiple of the block) as type *kind*.

        Raises:
            AssertionError: ggml wrote another number of bytes than it said; a defect.
        """
        count, width = rows.shape
        source = np.ascontiguousarray(rows, dtype=np.float32)
        size = self.row_bytes(kind, width) * count
        target = ctypes.create_string_buffer(size)
        written: int = self._quantize(kind, source.ctypes.data, target, 0, count, width, None)
        if written != size:
            raise AssertionError(f"ggml wrote {written} bytes of type {kind} instead of {size}")
        return target.raw
