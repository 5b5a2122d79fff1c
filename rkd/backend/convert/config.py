"""
Read a checkpoint's `config.json`: what the model is, and whether rkd can carry all of it over.

A closed list of architectures, and for them a closed list of fields: a field nobody here knows,
with a value that says something, is refused by name, since ignoring it would make a model that
answers slightly wrong.
"""

from __future__ import annotations

from dataclasses import dataclass

from rkd.backend.convert.rope import Rope, read_rope
from rkd.backend.convert.tensors import quantized, unsupported
from rkd.errors import InvalidInputError, Reason
from rkd.outside import quoted, shown
from rkd.weights.details import MAX_LAYERS

Json = dict[str, object]


@dataclass(frozen=True, slots=True)
class Architecture:
    """
    One architecture of the closed list.

    Args:
        gguf: its name in GGUF.
        permutes: queries and keys are stored with their rotary halves interleaved.
        adds_one: norms are stored as their difference from one.
        always_tied: the output is the embedding, whatever the config says.
        activations: the `hidden_act` values that mean what the engine computes.
    """

    gguf: str
    permutes: bool = False
    adds_one: bool = False
    always_tied: bool = False
    activations: tuple[str, ...] = ("silu",)


ARCHITECTURES: dict[str, Architecture] = {
    "LlamaForCausalLM": Architecture("llama", permutes=True),
    "MistralForCausalLM": Architecture("llama", permutes=True),
    "Qwen2ForCausalLM": Architecture("qwen2"),
    "GemmaForCausalLM": Architecture(
        "gemma",
        adds_one=True,
        always_tied=True,
        # transformers reads Gemma's `gelu` as the tanh form, and warns.
        activations=("gelu_pytorch_tanh", "gelu", "gelu_new"),
    ),
}

_HANDLED = frozenset(
    {"architectures", "model_type", "hidden_size", "intermediate_size", "num_hidden_layers"}
    | {"num_attention_heads", "num_key_value_heads", "head_dim", "vocab_size", "rms_norm_eps"}
    | {"max_position_embeddings", "rope_theta", "rope_scaling", "rope_parameters", "hidden_act"}
    | {"hidden_activation", "tie_word_embeddings", "sliding_window", "use_sliding_window"}
    | {"layer_types", "max_window_layers", "quantization_config", "partial_rotary_factor"}
    | {"bos_token_id", "eos_token_id", "pad_token_id", "auto_map", "attention_bias", "mlp_bias"}
)
_NEUTRAL = frozenset(
    {"torch_dtype", "dtype", "transformers_version", "use_cache", "initializer_range"}
    | {"attention_dropout", "hidden_dropout", "pretraining_tp", "_name_or_path", "name_or_path"}
    | {
        "_attn_implementation",
        "attn_implementation",
        "_attn_implementation_autoset",
        "use_bfloat16",
    }
    | {"unsloth_fixed", "unsloth_version", "_flash_attn_2_enabled", "output_attentions"}
    | {"output_hidden_states", "return_dict", "return_dict_in_generate", "id2label", "label2id"}
    | {"task_specific_params", "problem_type", "tokenizer_class", "prefix", "max_length"}
    | {"min_length", "do_sample", "early_stopping", "num_beams", "num_beam_groups", "temperature"}
    | {"diversity_penalty", "top_k", "top_p", "typical_p", "repetition_penalty", "length_penalty"}
    | {"no_repeat_ngram_size", "encoder_no_repeat_ngram_size", "num_return_sequences"}
    | {"chunk_size_feed_forward", "output_scores", "tf_legacy_loss", "torchscript"}
    | {"is_decoder", "decoder_start_token_id", "sep_token_id", "unk_token_id", "license"}
    | {"is_llama_config", "use_bfloat16", "model_name", "base_model_name", "resid_pdrop"}
)
"""Fields about training, bookkeeping and sampling: no step of inference hangs on them."""

MAX_SIZE = 2**20
MAX_VOCABULARY = 2**20


@dataclass(frozen=True, slots=True)
class CheckpointConfig:
    """A checkpoint's shape, checked; sizes are in numbers, not bytes."""

    name: str
    architecture: Architecture
    layers: int
    hidden_size: int
    feed_forward_size: int
    heads: int
    kv_heads: int
    head_size: int
    vocabulary: int
    context_tokens: int
    norm_epsilon: float
    rope: Rope
    tied: bool
    bos: int | None
    eos: tuple[int, ...]
    pad: int | None
    warnings: tuple[str, ...] = ()


def read_config(config: Json, what: str) -> CheckpointConfig:
    """
    Check *config* (the parsed `config.json` of *what*).

    Raises:
        InvalidInputError: ARCHITECTURE_UNSUPPORTED: another architecture, a field with meaning
            that rkd does not know, code of its own; WEIGHTS_INVALID: quantized, sizes that cannot
            be.
    """
    name, architecture = _architecture(config, what)
    method = config.get("quantization_config")
    if isinstance(method, dict):
        raise quantized(what, _method(method.get("quant_method")))
    _check_fields(config, name, architecture)
    size = _Sizes(config, what)
    hidden = size.whole("hidden_size", MAX_SIZE)
    heads = size.whole("num_attention_heads", 4096)
    kv_heads = size.whole("num_key_value_heads", 4096, heads)
    default = 256 if architecture.gguf == "gemma" else hidden // heads
    head_size = size.whole("head_dim", 4096, default)
    if heads % kv_heads or head_size % 2 or ("head_dim" not in config and hidden < heads):
        raise _impossible(what, f"{heads} heads, {kv_heads} key/value heads of size {head_size}")
    context = size.whole("max_position_embeddings", 2**31 - 1, 4096)
    warnings: list[str] = []
    window = _window(config, name)
    if window and window < context:
        warnings.append(
            f"attention slides over {window} tokens in training: the context is limited to them"
        )
        context = window
    return CheckpointConfig(
        name=name,
        architecture=architecture,
        layers=size.whole("num_hidden_layers", MAX_LAYERS),
        hidden_size=hidden,
        feed_forward_size=size.whole("intermediate_size", MAX_SIZE),
        heads=heads,
        kv_heads=kv_heads,
        head_size=head_size,
        vocabulary=size.whole("vocab_size", MAX_VOCABULARY),
        context_tokens=context,
        norm_epsilon=size.real("rms_norm_eps", 1e-6),
        rope=read_rope(config, head_size, context, what),
        tied=architecture.always_tied or config.get("tie_word_embeddings", False) is True,
        bos=_token(config.get("bos_token_id")),
        eos=tuple(_tokens(config.get("eos_token_id"))),
        pad=_token(config.get("pad_token_id")),
        warnings=tuple(warnings),
    )


def _architecture(config: Json, what: str) -> tuple[str, Architecture]:
    names = config.get("architectures")
    name = names[0] if isinstance(names, list) and names and isinstance(names[0], str) else ""
    known = ARCHITECTURES.get(name)
    if known is None:
        one_of = ", ".join(ARCHITECTURES)
        raise unsupported(
            what, f"its architecture is {shown(name[:80]) or 'not named'}; rkd converts {one_of}"
        )
    if config.get("auto_map"):
        raise unsupported(what, "it brings Python code of its own (auto_map), which rkd never runs")
    return name, known


def _check_fields(config: Json, name: str, architecture: Architecture) -> None:
    """Refuse fields that mean something rkd would lose."""
    for key, value in config.items():
        if key not in _HANDLED | _NEUTRAL and value not in (None, False, [], {}, "", 0):
            raise unsupported(name, f"the field {quoted(key)} of its config.json is unknown to rkd")
    # Gemma's newer field wins over the older one, as in transformers.
    field = "hidden_activation" if config.get("hidden_activation") else "hidden_act"
    activation = config.get(field)
    if activation is not None and activation not in architecture.activations:
        known = architecture.activations[0]
        what = f"its {field} is {quoted(activation)}; the engine computes {known} for {name}"
        raise unsupported(name, what)


def _method(value: object) -> str:
    return value if isinstance(value, str) else "an unknown method"


def _window(config: Json, name: str) -> int:
    """The sliding window that is in force, or 0."""
    window = config.get("sliding_window")
    used = config.get("use_sliding_window", name == "MistralForCausalLM")
    kinds = config.get("layer_types")
    if isinstance(kinds, list):
        used = any(kind != "full_attention" for kind in kinds)
        odd = [kind for kind in kinds if kind not in ("full_attention", "sliding_attention")]
        if odd:
            raise unsupported(name, f"its layer_types hold {quoted(odd[0])}")
    return window if used and isinstance(window, int) and window > 0 else 0


def _impossible(what: str, problem: str) -> InvalidInputError:
    return InvalidInputError(
        Reason.WEIGHTS_INVALID,
        f"the config.json of {shown(what)} cannot be: {problem}",
        remedy="Compare it with the checkpoint it was made from.",
        metadata={"model": shown(what)},
    )


@dataclass(frozen=True, slots=True)
class _Sizes:
    """Reads numbers of the config, each within its bounds."""

    config: Json
    what: str

    def whole(self, key: str, high: int, default: int | None = None) -> int:
        """The positive whole number under *key*."""
        value = self.config.get(key)
        if value is None and default is not None:
            return default
        if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= high:
            raise _impossible(self.what, f"{key} is {quoted(value)}")
        return value

    def real(self, key: str, default: float) -> float:
        """The positive number under *key*."""
        value = self.config.get(key, default)
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < 1:
            raise _impossible(self.what, f"{key} is {quoted(value)}")
        return float(value)


def _token(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None


def _tokens(value: object) -> list[int]:
    found = [_token(item) for item in (value if isinstance(value, list) else [value])]
    return [token for token in found if token is not None]
