/*
 * The interface of librkllmrt.so as this project declares it, one family at a time.
 *
 * FAMILY is 1 (1.1.x), 2 (1.2.0), 3 (1.2.1b1), 4 (1.2.1-1.2.3), 5 (1.3.0) or 6 (1.3.1).
 * asserts.h, made from tests/data/rkllm_abi.json, holds every offset and size against this.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef void *LLMHandle;
typedef int LLMCallState;
typedef int RKLLMInputType;
typedef int RKLLMInferMode;

enum { RUN_NORMAL, RUN_WAITING, RUN_FINISH, RUN_ERROR, RUN_HIDDEN_1_1 };
enum { INPUT_PROMPT, INPUT_TOKEN, INPUT_EMBED, INPUT_MULTIMODAL };
enum { INFER_GENERATE, INFER_HIDDEN, INFER_LOGITS };

typedef struct {
  int32_t base_domain_id;
#if FAMILY == 1
  uint8_t reserved[112];
#else
  int8_t embed_flash;
  int8_t enabled_cpus_num;
  uint32_t enabled_cpus_mask;
#if FAMILY >= 4
  uint8_t n_batch;
  int8_t use_cross_attn;
  uint8_t reserved[104];
#else
  uint8_t reserved[106];
#endif
#endif
} RKLLMExtendParam;

typedef struct {
  const char *model_path;
  int32_t max_context_len;
  int32_t max_new_tokens;
  int32_t top_k;
#if FAMILY >= 2
  int32_t n_keep;
#endif
  float top_p;
  float temperature;
  float repeat_penalty;
  float frequency_penalty;
  float presence_penalty;
  int32_t mirostat;
  float mirostat_tau;
  float mirostat_eta;
  bool skip_special_token;
#if FAMILY >= 5
  bool ignore_eos_token;
#endif
  bool is_async;
#if FAMILY <= 4
  const char *img_start;
  const char *img_end;
  const char *img_content;
#endif
  RKLLMExtendParam extend_param;
} RKLLMParam;

typedef struct {
  const char *lora_adapter_path;
  const char *lora_adapter_name;
  float scale;
} RKLLMLoraAdapter;

typedef struct {
  float *embed;
  size_t n_tokens;
} RKLLMEmbedInput;

typedef struct {
  int32_t *input_ids;
  size_t n_tokens;
} RKLLMTokenInput;

typedef struct {
  char *prompt;
#if FAMILY >= 5
  struct {
    float *image_embed;
    size_t n_image_tokens;
    size_t n_image;
    const char *image_start;
    const char *image_end;
    const char *image_content;
    size_t image_width;
    size_t image_height;
  } image;
  struct {
    float *video_embed;
    size_t n_frame_tokens;
    size_t n_frame_per_video;
    size_t n_video;
    const char *video_start;
    const char *video_end;
    const char *video_content;
    size_t frame_width;
    size_t frame_height;
  } video;
#if FAMILY >= 6
  struct {
    float *audio_embed;
    size_t n_audio_tokens;
    size_t n_audio;
    const char *audio_start;
    const char *audio_end;
    const char *audio_content;
  } audio;
#endif
#else
  float *image_embed;
  size_t n_image_tokens;
#if FAMILY >= 3
  size_t n_image;
  size_t image_width;
  size_t image_height;
#endif
#endif
} RKLLMMultiModalInput;
typedef RKLLMMultiModalInput RKLLMMultiModelInput;

typedef struct {
#if FAMILY >= 4
  const char *role;
  bool enable_thinking;
#endif
  RKLLMInputType input_type;
  union {
    const char *prompt_input;
    RKLLMEmbedInput embed_input;
    RKLLMTokenInput token_input;
    RKLLMMultiModalInput multimodal_input;
  };
} RKLLMInput;

typedef struct {
  const char *lora_adapter_name;
} RKLLMLoraParam;

typedef struct {
  int save_prompt_cache;
  const char *prompt_cache_path;
} RKLLMPromptCacheParam;

typedef struct {
  float *encoder_k_cache;
  float *encoder_v_cache;
  float *encoder_mask;
  int32_t *encoder_pos;
  int num_tokens;
} RKLLMCrossAttnParam;

typedef struct {
  int32_t top_k;
  float top_p;
  float temperature;
  float repeat_penalty;
  float frequency_penalty;
  float presence_penalty;
  int32_t mirostat;
  float mirostat_tau;
  float mirostat_eta;
} RKLLMSamplingParam;

typedef struct {
  RKLLMInferMode mode;
  RKLLMLoraParam *lora_params;
  RKLLMPromptCacheParam *prompt_cache_params;
#if FAMILY >= 5
  RKLLMSamplingParam *sampling_params;
#endif
#if FAMILY >= 2
  int keep_history;
#endif
#if FAMILY >= 5
  int32_t max_new_tokens;
#endif
} RKLLMInferParam;

typedef struct {
  const float *hidden_states;
  int embd_size;
  int num_tokens;
} RKLLMResultLastHiddenLayer;

typedef struct {
  const float *logits;
  int vocab_size;
  int num_tokens;
} RKLLMResultLogits;

typedef struct {
  float prefill_time_ms;
  int prefill_tokens;
  float generate_time_ms;
  int generate_tokens;
  float memory_usage_mb;
} RKLLMPerfStat;

typedef struct {
  const char *text;
  int32_t token_id;
  RKLLMResultLastHiddenLayer last_hidden_layer;
#if FAMILY >= 2
  RKLLMResultLogits logits;
#endif
#if FAMILY >= 4
  RKLLMPerfStat perf;
#endif
} RKLLMResult;

#if FAMILY >= 4
typedef int (*LLMResultCallback)(RKLLMResult *, void *, LLMCallState);
#else
typedef void (*LLMResultCallback)(RKLLMResult *, void *, LLMCallState);
#endif

#if FAMILY >= 5
typedef int (*LLMTokenizerCallback)(void *, const char *, int32_t, int32_t *, int32_t);
typedef int (*LLMGetEmbedCallback)(void *, int32_t *, uint64_t, void *, uint64_t);
typedef struct {
  LLMResultCallback result_callback;
  void *result_userdata;
  LLMTokenizerCallback tokenizer_callback;
  void *tokenizer_userdata;
  LLMGetEmbedCallback embed_callback;
  void *embed_userdata;
} RKLLMCallback;
#endif
