"""
Declarations of `rkllm.h` that are the same in every version since 1.1.0, and what an `Abi` is.

Names are the header's own. Checked field by field against `tests/data/rkllm_abi.json`, which was
measured by compiling the headers.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from ctypes import POINTER, Structure, c_char_p, c_float, c_int, c_int32, c_size_t, c_void_p
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


class RKLLMLoraAdapter(Structure):
    """An adapter to load."""

    _fields_ = (
        ("lora_adapter_path", c_char_p),
        ("lora_adapter_name", c_char_p),
        ("scale", c_float),
    )


class RKLLMEmbedInput(Structure):
    """Embeddings in place of tokens."""

    _fields_ = (("embed", POINTER(c_float)), ("n_tokens", c_size_t))


class RKLLMTokenInput(Structure):
    """Token ids."""

    _fields_ = (("input_ids", POINTER(c_int32)), ("n_tokens", c_size_t))


class RKLLMLoraParam(Structure):
    """The adapter a run uses."""

    _fields_ = (("lora_adapter_name", c_char_p),)


class RKLLMPromptCacheParam(Structure):
    """Whether and where a run saves its prompt cache."""

    _fields_ = (("save_prompt_cache", c_int), ("prompt_cache_path", c_char_p))


class RKLLMResultLastHiddenLayer(Structure):
    """Hidden states of the last layer: num_tokens by embd_size."""

    _fields_ = (
        ("hidden_states", POINTER(c_float)),
        ("embd_size", c_int),
        ("num_tokens", c_int),
    )


class RKLLMResultLogits(Structure):
    """Logits: num_tokens by vocab_size; since 1.2.0."""

    _fields_ = (("logits", POINTER(c_float)), ("vocab_size", c_int), ("num_tokens", c_int))


class RKLLMPerfStat(Structure):
    """Figures of a finished run; since 1.2.1."""

    _fields_ = (
        ("prefill_time_ms", c_float),
        ("prefill_tokens", c_int),
        ("generate_time_ms", c_float),
        ("generate_tokens", c_int),
        ("memory_usage_mb", c_float),
    )


class RKLLMCrossAttnParam(Structure):
    """Encoder output for cross attention; since 1.2.1."""

    _fields_ = (
        ("encoder_k_cache", POINTER(c_float)),
        ("encoder_v_cache", POINTER(c_float)),
        ("encoder_mask", POINTER(c_float)),
        ("encoder_pos", POINTER(c_int32)),
        ("num_tokens", c_int),
    )


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

    def make(self, name: str) -> Any:
        """Make a zeroed *name*."""
        return self.structs[name]()


def field_names(struct: type[Structure]) -> tuple[str, ...]:
    """Names of the fields of *struct*, in order."""
    return tuple(field[0] for field in struct._fields_)


def functions_since_1_1(
    param: Any, callback: Any, run_input: Any, infer: Any
) -> dict[str, Prototype]:
    """Prototypes of the functions every version has, over the structures of one of them."""
    run = Prototype(c_int, (LLMHandle, POINTER(run_input), POINTER(infer), c_void_p))
    handle_only = Prototype(c_int, (LLMHandle,))
    return {
        "rkllm_createDefaultParam": Prototype(param, ()),
        "rkllm_init": Prototype(c_int, (POINTER(LLMHandle), POINTER(param), callback)),
        "rkllm_load_lora": Prototype(c_int, (LLMHandle, POINTER(RKLLMLoraAdapter))),
        "rkllm_load_prompt_cache": Prototype(c_int, (LLMHandle, c_char_p)),
        "rkllm_release_prompt_cache": handle_only,
        "rkllm_destroy": handle_only,
        "rkllm_run": run,
        "rkllm_run_async": run,
        "rkllm_abort": handle_only,
        "rkllm_is_running": handle_only,
    }


def functions_since_1_2_1() -> dict[str, Prototype]:
    """Prototypes of what 1.2.1 added or changed."""
    return {
        "rkllm_clear_kv_cache": Prototype(
            c_int, (LLMHandle, c_int, POINTER(c_int), POINTER(c_int))
        ),
        "rkllm_get_kv_cache_size": Prototype(c_int, (LLMHandle, POINTER(c_int))),
        "rkllm_set_chat_template": Prototype(c_int, (LLMHandle, c_char_p, c_char_p, c_char_p)),
        "rkllm_set_function_tools": Prototype(c_int, (LLMHandle, c_char_p, c_char_p, c_char_p)),
        "rkllm_set_cross_attn_params": Prototype(c_int, (LLMHandle, POINTER(RKLLMCrossAttnParam))),
    }


def structs_by_name(*structs: type[Structure]) -> dict[str, type[Structure]]:
    """The mapping an `Abi` holds; a class is named like its structure, family suffix aside."""
    return {struct.__name__.split("_")[0]: struct for struct in structs}
