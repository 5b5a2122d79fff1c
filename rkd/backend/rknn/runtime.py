"""
A thin safe face on one `librknnrt.so`: one context, one run at a time.

Every status is looked at; what the library may read is held until it is done, what it gives is
copied and given back, all outputs of it. What pictures become is `encoder.py`'s.
"""

from __future__ import annotations

import ctypes
from ctypes import byref, c_void_p, cast, sizeof
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rkd.backend import openmp
from rkd.backend.rknn.abi import (
    FUNCTIONS,
    MAX_DIMS,
    STATUS_WORDS,
    UINT8,
    Context,
    InputOutputNumber,
    MemSize,
    RknnInput,
    RknnOutput,
    RknnQuery,
    SdkVersion,
    TensorAttr,
    TensorFormat,
)
from rkd.errors import PreconditionError, Reason

MOST_OUTPUTS = 16
"""Qwen3-VL has four."""
FLOAT_BYTES = 4


class RknnError(Exception):
    """
    A function of the library failed.

    Args:
        call: its name.
        status: what it returned.
    """

    def __init__(self, call: str, status: int) -> None:
        words = STATUS_WORDS.get(status, "it failed")
        super().__init__(f"{call} returned {status}: {words}")
        self.status = status


@dataclass(frozen=True, slots=True)
class RknnTensor:
    """Shape of an input or output; `fmt` as the library has it."""

    dims: tuple[int, ...]
    fmt: int


class RknnRuntime:
    """
    One library with at most one context; used by one thread at a time.

    Args:
        library: path of librknnrt.so.

    Raises:
        PreconditionError: RUNTIME_MISMATCH, it cannot be loaded or lacks a function.
    """

    def __init__(self, library: Path) -> None:
        openmp.preload()
        try:
            self._functions = ctypes.CDLL(str(library))
            for name, arguments in FUNCTIONS.items():
                function = getattr(self._functions, name)
                function.restype = ctypes.c_int
                function.argtypes = arguments
        except (OSError, AttributeError) as error:
            raise PreconditionError(
                Reason.RUNTIME_MISMATCH,
                f"the RKNN runtime {library} cannot be loaded: {error}",
                remedy="Install Rockchip's librknnrt.so 2.3 into /usr/lib, or name it in "
                "RKD_RKNN_LIBRARY.",
                metadata={"library": str(library)},
            ) from error
        self._context = Context(0)
        self._made = False

    def init(self, model: Path, core_mask: int) -> None:
        """
        Make the context; the library reads the file itself.

        Args:
            model: the .rknn.
            core_mask: 0 leaves the cores to the library, 7 is all three.

        Raises:
            RknnError: it refused.
        """
        # A size of 0 says that the model is given by its path.
        arguments = (byref(self._context), str(model).encode(), 0, 0, None)
        self._check("rknn_init", *arguments)
        self._made = True
        if core_mask:
            self._check("rknn_set_core_mask", self._context, core_mask)

    def close(self) -> None:
        """Give the context back; safe to call twice."""
        made, self._made = self._made, False
        if made:
            self._functions.rknn_destroy(self._context)

    def version(self) -> str:
        """The library's version as it tells it, "" where it does not."""
        said = SdkVersion()
        try:
            self._query(RknnQuery.SDK_VERSION, said)
        except RknnError:
            return ""
        return bytes(said.api_version).split(b"\0")[0].decode("utf-8", "replace")

    def memory_bytes(self) -> int:
        """What the NPU holds for it; 0 where the library does not tell."""
        said = MemSize()
        try:
            self._query(RknnQuery.MEM_SIZE, said)
        except RknnError:
            return 0
        dma = int(said.total_dma_allocated_size)
        return dma or int(said.total_weight_size) + int(said.total_internal_size)

    def tensors(self) -> tuple[tuple[RknnTensor, ...], tuple[RknnTensor, ...]]:
        """
        Return the shapes of inputs and outputs.

        Raises:
            RknnError: the library does not tell them, or tells nonsense.
        """
        number = InputOutputNumber()
        self._query(RknnQuery.IN_OUT_NUM, number)
        if not (1 <= number.n_input <= MOST_OUTPUTS and 1 <= number.n_output <= MOST_OUTPUTS):
            raise RknnError("rknn_query", -6)
        inputs = [self._tensor(RknnQuery.INPUT_ATTR, at) for at in range(number.n_input)]
        outputs = [self._tensor(RknnQuery.OUTPUT_ATTR, at) for at in range(number.n_output)]
        return tuple(inputs), tuple(outputs)

    def run(self, pixels: bytes, outputs: int) -> list[bytes]:
        """
        Encode one picture; return each output as float32.

        Args:
            pixels: RGB bytes, row by row; mean and deviation are in the model.
            outputs: how many it has.

        Raises:
            RknnError: it failed.
        """
        held = ctypes.create_string_buffer(pixels, len(pixels))
        given = RknnInput(
            index=0,
            buf=cast(held, c_void_p),
            size=len(pixels),
            pass_through=0,
            type=UINT8,
            fmt=TensorFormat.NHWC,
        )
        self._check("rknn_inputs_set", self._context, 1, byref(given))
        self._check("rknn_run", self._context, None)
        made = (RknnOutput * outputs)()
        for at, one in enumerate(made):
            one.want_float, one.index = 1, at
        self._check("rknn_outputs_get", self._context, outputs, made, None)
        try:
            return [ctypes.string_at(one.buf, one.size) if one.buf else b"" for one in made]
        finally:
            # All of them: the vendor's example gives back one, and leaks the others.
            self._functions.rknn_outputs_release(self._context, outputs, made)
            del held

    def _tensor(self, what: RknnQuery, at: int) -> RknnTensor:
        said = TensorAttr(index=at)
        self._query(what, said)
        if not 1 <= said.n_dims <= MAX_DIMS:
            raise RknnError("rknn_query", -6)
        dims = tuple(int(one) for one in said.dims[: said.n_dims])
        return RknnTensor(dims, int(said.fmt))

    def _query(self, what: RknnQuery, answer: Any) -> None:
        self._check("rknn_query", self._context, int(what), byref(answer), sizeof(answer))

    def _check(self, call: str, *arguments: Any) -> None:
        status = getattr(self._functions, call)(*arguments)
        if status != 0:
            raise RknnError(call, status)
