"""
Declarations of `rkllm.h` 1.3.0 and 1.3.1, in header order.

1.3.0 moves fields of the parameters, adds sampling per run, and takes a structure of callbacks
where a function pointer was; 1.3.1 appends audio to the multimodal input.
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
    c_int32,
    c_size_t,
    c_uint64,
    c_void_p,
)

from rkd.backend.rkllm.abi_1_2 import LLMResultCallback, RKLLMExtendParam, RKLLMResult
from rkd.backend.rkllm.abi_shared import (
    Abi,
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


class RKLLMParam(Structure):
    """Parameters of `rkllm_init`."""

    _fields_ = (
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
        ("ignore_eos_token", c_bool),
        ("is_async", c_bool),
        ("extend_param", RKLLMExtendParam),
    )


class _Image(Structure):
    _fields_ = (
        ("image_embed", POINTER(c_float)),
        ("n_image_tokens", c_size_t),
        ("n_image", c_size_t),
        ("image_start", c_char_p),
        ("image_end", c_char_p),
        ("image_content", c_char_p),
        ("image_width", c_size_t),
        ("image_height", c_size_t),
    )


class _Video(Structure):
    _fields_ = (
        ("video_embed", POINTER(c_float)),
        ("n_frame_tokens", c_size_t),
        ("n_frame_per_video", c_size_t),
        ("n_video", c_size_t),
        ("video_start", c_char_p),
        ("video_end", c_char_p),
        ("video_content", c_char_p),
        ("frame_width", c_size_t),
        ("frame_height", c_size_t),
    )


class _Audio(Structure):
    _fields_ = (
        ("audio_embed", POINTER(c_float)),
        ("n_audio_tokens", c_size_t),
        ("n_audio", c_size_t),
        ("audio_start", c_char_p),
        ("audio_end", c_char_p),
        ("audio_content", c_char_p),
    )


class RKLLMMultiModalInput_1_3_0(Structure):  # noqa: N801 - the header's name and the version
    """Text with images and videos, in 1.3.0."""

    _fields_ = (("prompt", c_char_p), ("image", _Image), ("video", _Video))


class RKLLMMultiModalInput(Structure):
    """Text with images, videos and audio."""

    _fields_ = (("prompt", c_char_p), ("image", _Image), ("video", _Video), ("audio", _Audio))


class _InputUnion_1_3_0(Union):  # noqa: N801 - the same
    _fields_ = (
        ("prompt_input", c_char_p),
        ("embed_input", RKLLMEmbedInput),
        ("token_input", RKLLMTokenInput),
        ("multimodal_input", RKLLMMultiModalInput_1_3_0),
    )


class _InputUnion(Union):
    _fields_ = (
        ("prompt_input", c_char_p),
        ("embed_input", RKLLMEmbedInput),
        ("token_input", RKLLMTokenInput),
        ("multimodal_input", RKLLMMultiModalInput),
    )


class RKLLMInput_1_3_0(Structure):  # noqa: N801 - the same
    """What a run reads, in 1.3.0."""

    _anonymous_ = ("union",)
    _fields_ = (
        ("role", c_char_p),
        ("enable_thinking", c_bool),
        ("input_type", c_int),
        ("union", _InputUnion_1_3_0),
    )


class RKLLMInput(Structure):
    """What a run reads."""

    _anonymous_ = ("union",)
    _fields_ = (
        ("role", c_char_p),
        ("enable_thinking", c_bool),
        ("input_type", c_int),
        ("union", _InputUnion),
    )


class RKLLMSamplingParam(Structure):
    """Sampling of one run."""

    _fields_ = (
        ("top_k", c_int32),
        ("top_p", c_float),
        ("temperature", c_float),
        ("repeat_penalty", c_float),
        ("frequency_penalty", c_float),
        ("presence_penalty", c_float),
        ("mirostat", c_int32),
        ("mirostat_tau", c_float),
        ("mirostat_eta", c_float),
    )


class RKLLMInferParam(Structure):
    """How a run goes."""

    _fields_ = (
        ("mode", c_int),
        ("lora_params", POINTER(RKLLMLoraParam)),
        ("prompt_cache_params", POINTER(RKLLMPromptCacheParam)),
        ("sampling_params", POINTER(RKLLMSamplingParam)),
        ("keep_history", c_int),
        ("max_new_tokens", c_int32),
    )


LLMTokenizerCallback = CFUNCTYPE(c_int, c_void_p, c_char_p, c_int32, POINTER(c_int32), c_int32)
LLMGetEmbedCallback = CFUNCTYPE(c_int, c_void_p, POINTER(c_int32), c_uint64, c_void_p, c_uint64)


class RKLLMCallback(Structure):
    """The callbacks of a handle, each with its own userdata."""

    _fields_ = (
        ("result_callback", LLMResultCallback),
        ("result_userdata", c_void_p),
        ("tokenizer_callback", LLMTokenizerCallback),
        ("tokenizer_userdata", c_void_p),
        ("embed_callback", LLMGetEmbedCallback),
        ("embed_userdata", c_void_p),
    )


_CALLBACKS = {
    "LLMResultCallback": LLMResultCallback,
    "LLMTokenizerCallback": LLMTokenizerCallback,
    "LLMGetEmbedCallback": LLMGetEmbedCallback,
}
_UNCHANGED = (
    RKLLMExtendParam,
    RKLLMParam,
    RKLLMLoraAdapter,
    RKLLMEmbedInput,
    RKLLMTokenInput,
    RKLLMLoraParam,
    RKLLMPromptCacheParam,
    RKLLMCrossAttnParam,
    RKLLMSamplingParam,
    RKLLMInferParam,
    RKLLMResultLastHiddenLayer,
    RKLLMResultLogits,
    RKLLMPerfStat,
    RKLLMResult,
    RKLLMCallback,
)

ABI_1_3_0 = Abi(
    family=Family.V1_3_0,
    structs=structs_by_name(RKLLMMultiModalInput_1_3_0, RKLLMInput_1_3_0, *_UNCHANGED),
    callbacks=_CALLBACKS,
    functions=functions_since_1_1(
        RKLLMParam, POINTER(RKLLMCallback), RKLLMInput_1_3_0, RKLLMInferParam
    )
    | functions_since_1_2_1(),
)

ABI_1_3_1 = Abi(
    family=Family.V1_3_1,
    structs=structs_by_name(RKLLMMultiModalInput, RKLLMInput, *_UNCHANGED),
    callbacks=_CALLBACKS,
    functions=functions_since_1_1(RKLLMParam, POINTER(RKLLMCallback), RKLLMInput, RKLLMInferParam)
    | functions_since_1_2_1(),
)
