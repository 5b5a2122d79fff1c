"""Declarations of `rkllm.h` 1.1.0 to 1.1.4 (byte-identical headers), in header order."""

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
    c_int32,
    c_size_t,
    c_uint8,
    c_void_p,
)

from rkd.backend.rkllm.abi_shared import (
    Abi,
    RKLLMEmbedInput,
    RKLLMLoraAdapter,
    RKLLMLoraParam,
    RKLLMPromptCacheParam,
    RKLLMResultLastHiddenLayer,
    RKLLMTokenInput,
    functions_since_1_1,
    structs_by_name,
)
from rkd.librkllmrt import Family


class RKLLMExtendParam(Structure):
    """What was added to the parameters without moving them."""

    _fields_ = (("base_domain_id", c_int32), ("reserved", c_uint8 * 112))


class RKLLMParam(Structure):
    """Parameters of `rkllm_init`."""

    _fields_ = (
        ("model_path", c_char_p),
        ("max_context_len", c_int32),
        ("max_new_tokens", c_int32),
        ("top_k", c_int32),
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
        ("extend_param", RKLLMExtendParam),
    )


class RKLLMMultiModelInput(Structure):
    """Text and image embeddings; also in 1.2.0."""

    _fields_ = (
        ("prompt", c_char_p),
        ("image_embed", POINTER(c_float)),
        ("n_image_tokens", c_size_t),
    )


class _InputUnion(Union):
    _fields_ = (
        ("prompt_input", c_char_p),
        ("embed_input", RKLLMEmbedInput),
        ("token_input", RKLLMTokenInput),
        ("multimodal_input", RKLLMMultiModelInput),
    )


class RKLLMInput(Structure):
    """What a run reads; also in 1.2.0."""

    _anonymous_ = ("union",)
    _fields_ = (("input_type", c_int), ("union", _InputUnion))


class RKLLMInferParam(Structure):
    """How a run goes."""

    _fields_ = (
        ("mode", c_int),
        ("lora_params", POINTER(RKLLMLoraParam)),
        ("prompt_cache_params", POINTER(RKLLMPromptCacheParam)),
    )


class RKLLMResult(Structure):
    """What a callback is given; valid during the callback only."""

    _fields_ = (
        ("text", c_char_p),
        ("token_id", c_int32),
        ("last_hidden_layer", RKLLMResultLastHiddenLayer),
    )


LLMResultCallback = CFUNCTYPE(None, POINTER(RKLLMResult), c_void_p, c_int)

ABI_1_1 = Abi(
    family=Family.V1_1,
    structs=structs_by_name(
        RKLLMExtendParam,
        RKLLMParam,
        RKLLMLoraAdapter,
        RKLLMEmbedInput,
        RKLLMTokenInput,
        RKLLMMultiModelInput,
        RKLLMInput,
        RKLLMLoraParam,
        RKLLMPromptCacheParam,
        RKLLMInferParam,
        RKLLMResultLastHiddenLayer,
        RKLLMResult,
    ),
    callbacks={"LLMResultCallback": LLMResultCallback},
    functions=functions_since_1_1(RKLLMParam, LLMResultCallback, RKLLMInput, RKLLMInferParam),
)
