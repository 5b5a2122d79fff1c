"""
What an option of ours is called elsewhere: the table of equivalents in the docs.

The numbers of sampling bring their names along (`sampling.py`); here is what is no number, and how
both become rows. **Source** of the others' names: their documentation and code, August 2026.
"""

from __future__ import annotations

from dataclasses import dataclass

from rkd.modelfile.parameters import PARAMETERS, Effect
from rkd.modelfile.sampling import SAMPLING, SamplingParameter

OLLAMAS = frozenset(
    {"temperature", "top_k", "top_p", "min_p", "typical_p", "repeat_penalty", "repeat_last_n"}
    | {"presence_penalty", "frequency_penalty", "seed", "num_predict", "stop", "num_ctx"}
    | {"num_batch", "num_thread", "num_gpu", "main_gpu", "use_mmap", "num_keep"}
    | {"draft_num_predict", "mirostat", "mirostat_tau", "mirostat_eta"}
)
"""Keys of ours that are Ollama's too, in a Modelfile and in the `options` of a request."""


@dataclass(frozen=True, slots=True)
class Named:
    """
    One option that is no number of sampling, by everybody's name; "" where there is none.

    Args:
        rkd: the field in requests.
        modelfile: the key of PARAMETER, or the instruction.
        ollama: of its API, where it is not the Modelfile's key.
        rkllama: the key of its env form, where rkllama has it itself.
        engine: llama.cpp's.
    """

    rkd: str
    modelfile: str = ""
    ollama: str = ""
    rkllama: str = ""
    openai: str = ""
    vllm: str = ""
    engine: str = ""


_Row = Named
# fmt: off
OTHERS: tuple[Named, ...] = (
    _Row("stop", "stop", openai="stop", vllm="stop", engine="stop"),
    _Row("stop_token_ids", "stop_token_ids", vllm="stop_token_ids"),
    _Row("ignore_eos", "ignore_eos", vllm="ignore_eos", engine="ignore_eos"),
    _Row("dry_sequence_breakers", "dry_sequence_breakers", engine="dry_sequence_breakers"),
    _Row("logit_bias", openai="logit_bias", vllm="logit_bias", engine="logit_bias"),
    _Row("json_schema", ollama="format", openai="response_format",
         vllm="structured_outputs.json", engine="json_schema"),
    _Row("grammar", vllm="structured_outputs.grammar", engine="grammar"),
    _Row("regex", vllm="structured_outputs.regex"),
    _Row("choices", vllm="structured_outputs.choice"),
    _Row("n", openai="n", vllm="n", engine="n_cmpl"),
    _Row("return_token_ids", vllm="return_token_ids", engine="return_tokens"),
    _Row("thinking", "enable_thinking", "think", "ENABLE_THINKING",
         vllm="chat_template_kwargs.enable_thinking",
         engine="chat_template_kwargs.enable_thinking"),
    _Row("reasoning_effort", "", "think", "", "reasoning_effort", "reasoning_effort",
         "chat_template_kwargs.reasoning_effort"),
    _Row("template_arguments", vllm="chat_template_kwargs", engine="chat_template_kwargs"),
    _Row("loop_guard", "loop_guard"),
    _Row("tool_choice", openai="tool_choice", vllm="tool_choice", engine="tool_choice"),
    _Row("raw", ollama="raw"),
    _Row("system", "SYSTEM", "system"),
    _Row("template", "TEMPLATE", "template", vllm="chat_template"),
    _Row("lora", "ADAPTER", engine="lora"),
    _Row("context_tokens", "num_ctx", rkllama="NUM_CTX", vllm="--max-model-len",
         engine="--ctx-size"),
    _Row("keep_alive", "keep_alive", "keep_alive", engine="--sleep-idle-seconds"),
    _Row("backend", "backend"),
    _Row("priority", vllm="priority"),
    _Row("request_id", vllm="request_id"),
)
# fmt: on
RKLLAMAS = frozenset(
    {"TEMPERATURE", "TOP_K", "TOP_P", "REPEAT_PENALTY", "FREQUENCY_PENALTY", "PRESENCE_PENALTY"}
    | {"MIROSTAT", "MIROSTAT_TAU", "MIROSTAT_ETA", "MAX_NEW_TOKENS"}
)
"""Keys of numbers that rkllama heeds; it passes over every other one."""


def rows() -> list[list[str]]:
    """Give the table: rkd, Modelfile, Ollama, rkllama, OpenAI, vLLM, llama.cpp."""
    settings = [
        Named("", key, engine=_ENGINE_FLAGS.get(key, ""))
        for key, one in PARAMETERS.items()
        if one.effect is Effect.LOAD and key not in {row.modelfile for row in OTHERS}
    ]
    return [
        *(_of_number(row) for row in SAMPLING),
        *(_of_other(row) for row in OTHERS),
        *(_of_other(row) for row in settings),
    ]


_ENGINE_FLAGS = {
    "num_batch": "--batch-size",
    "num_thread": "--threads",
    "draft_num_predict": "--spec-ngram-simple-size-m",
    "num_parallel": "--parallel",
    "kv_cache_type": "--cache-type-k",
}


def _of_number(row: SamplingParameter) -> list[str]:
    ollama = row.key if row.key in OLLAMAS else "top_logprobs" if row.name == "logprobs" else ""
    rkllama = row.env_key if row.env_key in RKLLAMAS else ""
    return [row.name, row.key, ollama, rkllama, row.openai, row.vllm, row.engine or row.name]


def _of_other(row: Named) -> list[str]:
    ollama = row.ollama or (row.modelfile if row.modelfile in OLLAMAS else "")
    return [row.rkd, row.modelfile, ollama, row.rkllama, row.openai, row.vllm, row.engine]
