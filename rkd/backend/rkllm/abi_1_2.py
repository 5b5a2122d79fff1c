"""
Declarations of `rkllm.h` 1.2.0, 1.2.1b1 and 1.2.1 to 1.2.3, in header order.

Three interfaces: 1.2.1b1 differs from 1.2.0 in the multimodal input; 1.2.1 puts role and
thinking before the input, adds figures to the result, and makes the callback return an int.
"""

from __future__ import annotations

from ctypes import (
    CFUNCTYPE,
    POINTER,
    Structure,
    Union,
    c_bool,
    c_char_p,
    c_float,
    c_int,
    c_int8,
    c_int32,
    c_size_t,
    c_uint8,
    c_uint32,
    c_void_p,
)

from rkd.backend.rkllm import abi_1_1
from rkd.backend.rkllm.abi_shared import (
    Abi,
    LLMHandle,
    Prototype,
    RKLLMCrossAttnParam,
    RKLLMEmbedInput,
    RKLLMLoraAdapter,
    RKLLMLoraParam,
    RKLLMPerfStat,
    RKLLMPromptCacheParam,
    RKLLMResultLastHiddenLayer,
    RKLLMResultLogits,
    RKLLMTokenInput,
    functions_since_1_1,
    functions_since_1_2_1,
    structs_by_name,
)
from rkd.librkllmrt import Family

_PARAM_HEAD = (
    ("model_path", c_char_p),
    ("max_context_len", c_int32),
    ("max_new_tokens", c_int32),
    ("top_k", c_int32),
    ("n_keep", c_int32),
    ("top_p", c_float),
    ("temperature", c_float),
    ("repeat_penalty", c_float),
    ("frequency_penalty", c_float),
    ("presence_penalty", c_float),
    ("mirostat", c_int32),
    ("mirostat_tau", c_float),
    ("mirostat_eta", c_float),
    ("skip_special_token", c_bool),
    ("is_async", c_bool),
    ("img_start", c_char_p),
    ("img_end", c_char_p),
    ("img_content", c_char_p),
)


class RKLLMExtendParam_1_2_0(Structure):  # noqa: N801 - the header's name and the version
    """What was added to the parameters, up to 1.2.1b1."""

    _fields_ = (
        ("base_domain_id", c_int32),
        ("embed_flash", c_int8),
        ("enabled_cpus_num", c_int8),
        ("enabled_cpus_mask", c_uint32),
        ("reserved", c_uint8 * 106),
    )


class RKLLMParam_1_2_0(Structure):  # noqa: N801 - the same
    """Parameters of `rkllm_init`, up to 1.2.1b1."""

    _fields_ = (*_PARAM_HEAD, ("extend_param", RKLLMExtendParam_1_2_0))


class RKLLMExtendParam(Structure):
    """What was added to the parameters; the same in 1.3."""

    _fields_ = (
        ("base_domain_id", c_int32),
        ("embed_flash", c_int8),
        ("enabled_cpus_num", c_int8),
        ("enabled_cpus_mask", c_uint32),
        ("n_batch", c_uint8),
        ("use_cross_attn", c_int8),
        ("reserved", c_uint8 * 104),
    )


class RKLLMParam(Structure):
    """Parameters of `rkllm_init`."""

    _fields_ = (*_PARAM_HEAD, ("extend_param", RKLLMExtendParam))


class RKLLMMultiModelInput(Structure):
    """Text and image embeddings; called RKLLMMultiModalInput in the header of 1.2.3."""

    _fields_ = (
        ("prompt", c_char_p),
        ("image_embed", POINTER(c_float)),
        ("n_image_tokens", c_size_t),
        ("n_image", c_size_t),
        ("image_width", c_size_t),
        ("image_height", c_size_t),
    )


class _InputUnion(Union):
    _fields_ = (
        ("prompt_input", c_char_p),
        ("embed_input", RKLLMEmbedInput),
        ("token_input", RKLLMTokenInput),
        ("multimodal_input", RKLLMMultiModelInput),
    )


class RKLLMInput_1_2_1b1(Structure):  # noqa: N801 - the header's name and the version
    """What a run reads, in 1.2.1b1."""

    _anonymous_ = ("union",)
    _fields_ = (("input_type", c_int), ("union", _InputUnion))


class RKLLMInput(Structure):
    """What a run reads."""

    _anonymous_ = ("union",)
    _fields_ = (
        ("role", c_char_p),
        ("enable_thinking", c_bool),
        ("input_type", c_int),
        ("union", _InputUnion),
    )


class RKLLMInferParam(Structure):
    """How a run goes."""

    _fields_ = (
        ("mode", c_int),
        ("lora_params", POINTER(RKLLMLoraParam)),
        ("prompt_cache_params", POINTER(RKLLMPromptCacheParam)),
        ("keep_history", c_int),
    )


class RKLLMResult_1_2_0(Structure):  # noqa: N801 - the header's name and the version
    """What a callback is given, up to 1.2.1b1."""

    _fields_ = (
        ("text", c_char_p),
        ("token_id", c_int32),
        ("last_hidden_layer", RKLLMResultLastHiddenLayer),
        ("logits", RKLLMResultLogits),
    )


class RKLLMResult(Structure):
    """What a callback is given; valid during the callback only. The same in 1.3."""

    _fields_ = (
        ("text", c_char_p),
        ("token_id", c_int32),
        ("last_hidden_layer", RKLLMResultLastHiddenLayer),
        ("logits", RKLLMResultLogits),
        ("perf", RKLLMPerfStat),
    )


LLMResultCallback_1_2_0 = CFUNCTYPE(None, POINTER(RKLLMResult_1_2_0), c_void_p, c_int)
LLMResultCallback = CFUNCTYPE(c_int, POINTER(RKLLMResult), c_void_p, c_int)

_SINCE_1_2_0 = {
    "rkllm_clear_kv_cache": Prototype(c_int, (LLMHandle, c_int)),
    "rkllm_set_chat_template": Prototype(c_int, (LLMHandle, c_char_p, c_char_p, c_char_p)),
}
_UNCHANGED = (
    RKLLMLoraAdapter,
    RKLLMEmbedInput,
    RKLLMTokenInput,
    RKLLMLoraParam,
    RKLLMPromptCacheParam,
    RKLLMInferParam,
    RKLLMResultLastHiddenLayer,
    RKLLMResultLogits,
)

ABI_1_2_0 = Abi(
    family=Family.V1_2_0,
    structs=structs_by_name(
        RKLLMExtendParam_1_2_0,
        RKLLMParam_1_2_0,
        abi_1_1.RKLLMMultiModelInput,
        abi_1_1.RKLLMInput,
        RKLLMResult_1_2_0,
        *_UNCHANGED,
    ),
    callbacks={"LLMResultCallback": LLMResultCallback_1_2_0},
    functions=functions_since_1_1(
        RKLLMParam_1_2_0, LLMResultCallback_1_2_0, abi_1_1.RKLLMInput, RKLLMInferParam
    )
    | _SINCE_1_2_0,
)

ABI_1_2_1B1 = Abi(
    family=Family.V1_2_1B1,
    structs=structs_by_name(
        RKLLMExtendParam_1_2_0,
        RKLLMParam_1_2_0,
        RKLLMMultiModelInput,
        RKLLMInput_1_2_1b1,
        RKLLMResult_1_2_0,
        *_UNCHANGED,
    ),
    callbacks={"LLMResultCallback": LLMResultCallback_1_2_0},
    functions=functions_since_1_1(
        RKLLMParam_1_2_0, LLMResultCallback_1_2_0, RKLLMInput_1_2_1b1, RKLLMInferParam
    )
    | _SINCE_1_2_0,
)

ABI_1_2_1 = Abi(
    family=Family.V1_2_1,
    structs=structs_by_name(
        RKLLMExtendParam,
        RKLLMParam,
        RKLLMMultiModelInput,
        RKLLMInput,
        RKLLMCrossAttnParam,
        RKLLMPerfStat,
        RKLLMResult,
        *_UNCHANGED,
    ),
    callbacks={"LLMResultCallback": LLMResultCallback},
    functions=functions_since_1_1(RKLLMParam, LLMResultCallback, RKLLMInput, RKLLMInferParam)
    | functions_since_1_2_1(),
)
