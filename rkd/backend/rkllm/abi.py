"""
Declarations of `rkllm.h` from 1.1.0 to 1.3.1, and which go with which family of versions.

Names are the header's own, orders too; a version is the one before it and what it changed.
Checked field by field against `tests/data/rkllm_abi.json`, which was measured by compiling the
headers.
"""

from __future__ import annotations

from collections.abc import Mapping

from rkd.backend.rkllm.abi_shared import Abi
from rkd.backend.rkllm.declared import Declared
from rkd.librkllmrt import Family

_V1_1 = {  # 1.1.0 to 1.1.4: byte-identical headers
    "RKLLMExtendParam": "int32_t base_domain_id; uint8_t reserved[112];",
    "RKLLMParam": """
        char* model_path;
        int32_t max_context_len, max_new_tokens, top_k;
        float top_p, temperature, repeat_penalty, frequency_penalty, presence_penalty;
        int32_t mirostat;
        float mirostat_tau, mirostat_eta;
        bool skip_special_token, is_async;
        char* img_start, img_end, img_content;
        RKLLMExtendParam extend_param;""",
    "RKLLMLoraAdapter": "char* lora_adapter_path, lora_adapter_name; float scale;",
    "RKLLMEmbedInput": "float* embed; size_t n_tokens;",
    "RKLLMTokenInput": "int32_t* input_ids; size_t n_tokens;",
    "RKLLMMultiModelInput": "char* prompt; float* image_embed; size_t n_image_tokens;",
    "_Input": """
        char* prompt_input;
        RKLLMEmbedInput embed_input;
        RKLLMTokenInput token_input;
        RKLLMMultiModelInput multimodal_input;""",
    "RKLLMInput": "int input_type; union _Input;",
    "RKLLMLoraParam": "char* lora_adapter_name;",
    "RKLLMPromptCacheParam": "int save_prompt_cache; char* prompt_cache_path;",
    "RKLLMInferParam": """
        int mode;
        RKLLMLoraParam* lora_params;
        RKLLMPromptCacheParam* prompt_cache_params;""",
    # num_tokens by embd_size
    "RKLLMResultLastHiddenLayer": "float* hidden_states; int embd_size, num_tokens;",
    # valid during the callback only
    "RKLLMResult": """
        char* text;
        int32_t token_id;
        RKLLMResultLastHiddenLayer last_hidden_layer;""",
    "LLMResultCallback": "void(RKLLMResult*, void*, int)",
    "rkllm_createDefaultParam": "RKLLMParam()",
    "rkllm_init": "int(LLMHandle*, RKLLMParam*, LLMResultCallback)",
    "rkllm_load_lora": "int(LLMHandle, RKLLMLoraAdapter*)",
    "rkllm_load_prompt_cache": "int(LLMHandle, char*)",
    "rkllm_release_prompt_cache": "int(LLMHandle)",
    "rkllm_destroy": "int(LLMHandle)",
    "rkllm_run": "int(LLMHandle, RKLLMInput*, RKLLMInferParam*, void*)",
    "rkllm_run_async": "int(LLMHandle, RKLLMInput*, RKLLMInferParam*, void*)",
    "rkllm_abort": "int(LLMHandle)",
    "rkllm_is_running": "int(LLMHandle)",
}
_V1_2_0 = _V1_1 | {
    "RKLLMExtendParam": """
        int32_t base_domain_id;
        int8_t embed_flash, enabled_cpus_num;
        uint32_t enabled_cpus_mask;
        uint8_t reserved[106];""",
    "RKLLMParam": """
        char* model_path;
        int32_t max_context_len, max_new_tokens, top_k, n_keep;
        float top_p, temperature, repeat_penalty, frequency_penalty, presence_penalty;
        int32_t mirostat;
        float mirostat_tau, mirostat_eta;
        bool skip_special_token, is_async;
        char* img_start, img_end, img_content;
        RKLLMExtendParam extend_param;""",
    "RKLLMInferParam": """
        int mode;
        RKLLMLoraParam* lora_params;
        RKLLMPromptCacheParam* prompt_cache_params;
        int keep_history;""",
    # num_tokens by vocab_size
    "RKLLMResultLogits": "float* logits; int vocab_size, num_tokens;",
    "RKLLMResult": """
        char* text;
        int32_t token_id;
        RKLLMResultLastHiddenLayer last_hidden_layer;
        RKLLMResultLogits logits;""",
    "rkllm_clear_kv_cache": "int(LLMHandle, int)",
    "rkllm_set_chat_template": "int(LLMHandle, char*, char*, char*)",
}
_V1_2_1B1 = _V1_2_0 | {
    # called RKLLMMultiModalInput in the header of 1.2.3
    "RKLLMMultiModelInput": """
        char* prompt;
        float* image_embed;
        size_t n_image_tokens, n_image, image_width, image_height;""",
}
_V1_2_1 = _V1_2_1B1 | {
    "RKLLMExtendParam": """
        int32_t base_domain_id;
        int8_t embed_flash, enabled_cpus_num;
        uint32_t enabled_cpus_mask;
        uint8_t n_batch;
        int8_t use_cross_attn;
        uint8_t reserved[104];""",
    "RKLLMInput": "char* role; bool enable_thinking; int input_type; union _Input;",
    "RKLLMCrossAttnParam": """
        float* encoder_k_cache, encoder_v_cache, encoder_mask;
        int32_t* encoder_pos;
        int num_tokens;""",
    "RKLLMPerfStat": """
        float prefill_time_ms;
        int prefill_tokens;
        float generate_time_ms;
        int generate_tokens;
        float memory_usage_mb;""",
    "RKLLMResult": _V1_2_0["RKLLMResult"] + "RKLLMPerfStat perf;",
    "LLMResultCallback": "int(RKLLMResult*, void*, int)",
    "rkllm_clear_kv_cache": "int(LLMHandle, int, int*, int*)",
    "rkllm_get_kv_cache_size": "int(LLMHandle, int*)",
    "rkllm_set_function_tools": "int(LLMHandle, char*, char*, char*)",
    "rkllm_set_cross_attn_params": "int(LLMHandle, RKLLMCrossAttnParam*)",
}
_V1_3_0 = _V1_2_1 | {
    "RKLLMParam": """
        char* model_path;
        int32_t max_context_len, max_new_tokens, top_k, n_keep;
        float top_p, temperature, repeat_penalty, frequency_penalty, presence_penalty;
        int32_t mirostat;
        float mirostat_tau, mirostat_eta;
        bool skip_special_token, ignore_eos_token, is_async;
        RKLLMExtendParam extend_param;""",
    "_Image": """
        float* image_embed;
        size_t n_image_tokens, n_image;
        char* image_start, image_end, image_content;
        size_t image_width, image_height;""",
    "_Video": """
        float* video_embed;
        size_t n_frame_tokens, n_frame_per_video, n_video;
        char* video_start, video_end, video_content;
        size_t frame_width, frame_height;""",
    "RKLLMMultiModelInput": "char* prompt; _Image image; _Video video;",
    "RKLLMSamplingParam": """
        int32_t top_k;
        float top_p, temperature, repeat_penalty, frequency_penalty, presence_penalty;
        int32_t mirostat;
        float mirostat_tau, mirostat_eta;""",
    "RKLLMInferParam": """
        int mode;
        RKLLMLoraParam* lora_params;
        RKLLMPromptCacheParam* prompt_cache_params;
        RKLLMSamplingParam* sampling_params;
        int keep_history;
        int32_t max_new_tokens;""",
    "LLMTokenizerCallback": "int(void*, char*, int32_t, int32_t*, int32_t)",
    "LLMGetEmbedCallback": "int(void*, int32_t*, uint64_t, void*, uint64_t)",
    "RKLLMCallback": """
        LLMResultCallback result_callback;
        void* result_userdata;
        LLMTokenizerCallback tokenizer_callback;
        void* tokenizer_userdata;
        LLMGetEmbedCallback embed_callback;
        void* embed_userdata;""",
    "rkllm_init": "int(LLMHandle*, RKLLMParam*, RKLLMCallback*)",
}
_V1_3_1 = _V1_3_0 | {
    "_Audio": """
        float* audio_embed;
        size_t n_audio_tokens, n_audio;
        char* audio_start, audio_end, audio_content;""",
    "RKLLMMultiModelInput": "char* prompt; _Image image; _Video video; _Audio audio;",
}


def _abi(family: Family, texts: Mapping[str, str]) -> Abi:
    declared = Declared(texts)
    names = [name for name in texts if not name.startswith("_")]
    return Abi(
        family,
        structs={name: declared.named(name) for name in names if name.startswith("RKLLM")},
        callbacks={name: declared.named(name) for name in names if name.startswith("LLM")},
        functions={name: declared.prototype(name) for name in names if name.startswith("rkllm_")},
    )


ABIS = {
    family: _abi(family, texts)
    for family, texts in (
        (Family.V1_1, _V1_1),
        (Family.V1_2_0, _V1_2_0),
        (Family.V1_2_1B1, _V1_2_1B1),
        (Family.V1_2_1, _V1_2_1),
        (Family.V1_3_0, _V1_3_0),
        (Family.V1_3_1, _V1_3_1),
    )
}
"""One interface for each family."""
