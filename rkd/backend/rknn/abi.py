"""
The interface of librknnrt.so as ctypes: structures and functions, nothing else.

**Source**: rknn_api.h of airockchip/rknn-toolkit2, 64 bits; equal from 1.1.4 to 1.3.0 of rknn-llm's
copies. `tests/unit/backend/rknn/test_abi.py` holds sizes and offsets against those measured with a
C compiler.
"""

from __future__ import annotations

import enum
from ctypes import (
    POINTER,
    Structure,
    c_char,
    c_char_p,
    c_float,
    c_int,
    c_int8,
    c_int32,
    c_uint8,
    c_uint32,
    c_uint64,
    c_void_p,
)

MAX_DIMS = 16
MAX_NAME_BYTES = 256

Context = c_uint64
"""An `rknn_context`."""


class RknnQuery(enum.IntEnum):
    """What `rknn_query` is asked."""

    IN_OUT_NUM = 0
    INPUT_ATTR = 1
    OUTPUT_ATTR = 2
    SDK_VERSION = 5
    MEM_SIZE = 6


class TensorFormat(enum.IntEnum):
    """`rknn_tensor_format`."""

    NCHW = 0
    NHWC = 1


UINT8 = 3
"""Of `rknn_tensor_type`."""

STATUS_WORDS = {
    -1: "it failed",
    -2: "it took too long",
    -3: "the NPU is not available",
    -4: "no memory was left for it",
    -5: "a parameter is wrong",
    -6: "the model is wrong, or made for another version",
    -7: "its context is lost",
    -8: "the input is wrong",
    -9: "the output is wrong",
    -13: "it was made for another chip",
}
"""What the statuses of the library mean (RKNN_ERR_… of rknn_api.h)."""

NO_MEMORY, BAD_MODEL, OTHER_CHIP = -4, -6, -13


class InputOutputNumber(Structure):
    """`rknn_input_output_num`."""

    _fields_ = (("n_input", c_uint32), ("n_output", c_uint32))


class TensorAttr(Structure):
    """`rknn_tensor_attr`; `index` is set by who asks."""

    _fields_ = (
        ("index", c_uint32),
        ("n_dims", c_uint32),
        ("dims", c_uint32 * MAX_DIMS),
        ("name", c_char * MAX_NAME_BYTES),
        ("n_elems", c_uint32),
        ("size", c_uint32),
        ("fmt", c_int),
        ("type", c_int),
        ("qnt_type", c_int),
        ("fl", c_int8),
        ("zp", c_int32),
        ("scale", c_float),
        ("w_stride", c_uint32),
        ("size_with_stride", c_uint32),
        ("pass_through", c_uint8),
        ("h_stride", c_uint32),
    )


class RknnInput(Structure):
    """`rknn_input`."""

    _fields_ = (
        ("index", c_uint32),
        ("buf", c_void_p),
        ("size", c_uint32),
        ("pass_through", c_uint8),
        ("type", c_int),
        ("fmt", c_int),
    )


class RknnOutput(Structure):
    """`rknn_output`."""

    _fields_ = (
        ("want_float", c_uint8),
        ("is_prealloc", c_uint8),
        ("index", c_uint32),
        ("buf", c_void_p),
        ("size", c_uint32),
    )


class SdkVersion(Structure):
    """`rknn_sdk_version`."""

    _fields_ = (("api_version", c_char * 256), ("drv_version", c_char * 256))


class MemSize(Structure):
    """`rknn_mem_size`."""

    _fields_ = (
        ("total_weight_size", c_uint32),
        ("total_internal_size", c_uint32),
        ("total_dma_allocated_size", c_uint64),
        ("total_sram_size", c_uint32),
        ("free_sram_size", c_uint32),
        ("reserved", c_uint32 * 10),
    )


FUNCTIONS = {
    "rknn_init": (POINTER(Context), c_char_p, c_uint32, c_uint32, c_void_p),
    "rknn_destroy": (Context,),
    "rknn_query": (Context, c_int, c_void_p, c_uint32),
    "rknn_set_core_mask": (Context, c_int),
    "rknn_inputs_set": (Context, c_uint32, POINTER(RknnInput)),
    "rknn_run": (Context, c_void_p),
    "rknn_outputs_get": (Context, c_uint32, POINTER(RknnOutput), c_void_p),
    "rknn_outputs_release": (Context, c_uint32, POINTER(RknnOutput)),
}
"""What is called, with the types of its arguments; each returns an int."""
