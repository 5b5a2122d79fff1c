"""The structures are laid out as a C compiler lays out the vendor's header."""

from __future__ import annotations

import ctypes
import json
from typing import Any

import pytest

from rkd.backend.rknn import abi
from tests.native import rknn

TABLE: dict[str, Any] = json.loads(rknn.TABLE.read_text(encoding="utf-8"))
OURS = {
    "rknn_context": abi.Context,
    "rknn_input_output_num": abi.InputOutputNumber,
    "rknn_tensor_attr": abi.TensorAttr,
    "rknn_input": abi.RknnInput,
    "rknn_output": abi.RknnOutput,
    "rknn_sdk_version": abi.SdkVersion,
    "rknn_mem_size": abi.MemSize,
}


@pytest.mark.parametrize("name", TABLE)
def test_a_structure_has_its_measured_layout(name: str) -> None:
    """Size and every offset known."""
    assert ctypes.sizeof(OURS[name]) == TABLE[name]["size"]
    for field, offset in TABLE[name]["fields"]:
        assert getattr(OURS[name], field).offset == offset, field


def test_every_structure_is_held_against_something() -> None:
    """A new one is measured too."""
    ours = {
        one
        for one in vars(abi).values()
        if isinstance(one, type)
        and issubclass(one, ctypes.Structure)
        and one.__module__ == abi.__name__
    }
    assert ours == set(OURS.values()) - {abi.Context}
