"""The numbers of `rkllm.h`, the same in every version since 1.1.0, and what an `Abi` is."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from ctypes import Structure, c_void_p
from dataclasses import dataclass
from typing import Any

from rkd.librkllmrt import Family

LLMHandle = c_void_p


class LLMCallState(enum.IntEnum):
    """State a result callback is called with."""

    RKLLM_RUN_NORMAL = 0
    RKLLM_RUN_WAITING = 1
    RKLLM_RUN_FINISH = 2
    RKLLM_RUN_ERROR = 3
    RKLLM_RUN_GET_LAST_HIDDEN_LAYER = 4  # 1.1.x only


class RKLLMInputType(enum.IntEnum):
    """What the union of an input holds."""

    RKLLM_INPUT_PROMPT = 0
    RKLLM_INPUT_TOKEN = 1
    RKLLM_INPUT_EMBED = 2
    RKLLM_INPUT_MULTIMODAL = 3


class RKLLMInferMode(enum.IntEnum):
    """What a run is to give."""

    RKLLM_INFER_GENERATE = 0
    RKLLM_INFER_GET_LAST_HIDDEN_LAYER = 1
    RKLLM_INFER_GET_LOGITS = 2  # since 1.2.0


@dataclass(frozen=True, slots=True)
class Prototype:
    """Result and argument types of one function."""

    restype: Any
    argtypes: tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Abi:
    """
    One binary interface: everything that has to agree with the library.

    Args:
        structs: the header's structures by name.
        callbacks: the header's callback types by name.
        functions: the exported functions by name.
    """

    family: Family
    structs: Mapping[str, type[Structure]]
    callbacks: Mapping[str, Any]
    functions: Mapping[str, Prototype]

    def make(self, name: str, *values: object) -> Any:
        """Make a *name* that begins with *values*; the rest is zero."""
        return self.structs[name](*values)
