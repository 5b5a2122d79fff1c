"""What an inference may be asked besides its input, by the protos' names."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, TypedDict

from rkd.v1 import types_pb2 as types
from rkd_client.values import field_named, fill

if TYPE_CHECKING:
    from rkd_client.v1.types import LogitBias

WantedBackend = Literal["auto", "npu", "cpu"]
WantedOverflow = Literal["refuse", "trim_oldest"]
WantedPriority = Literal["interactive", "normal", "background"]


class RunOptions(TypedDict, total=False):
    """
    Where and when to run: `InferenceOptions` of the protos; what is not given is the model's.

    `backend`, `keep_alive_s` (0 leaves at once, negative stays for ever), `context_tokens`,
    `priority`, `queue_timeout_s`, `request_id`, `thinking`, `thinking_budget`,
    `reasoning_effort`, `return_token_ids`, `lora`, `context_overflow`, `n`, `session`,
    `structured_tries`, `loop_guard`.
    """

    backend: WantedBackend | None
    keep_alive_s: float | None
    context_tokens: int | None
    priority: WantedPriority | None
    queue_timeout_s: float | None
    request_id: str | None
    thinking: bool | None
    thinking_budget: int | None
    reasoning_effort: str | None
    return_token_ids: bool | None
    lora: Mapping[str, float] | None
    context_overflow: WantedOverflow | None
    n: int | None
    session: str | None
    structured_tries: int | None
    loop_guard: int | None


class Options(RunOptions, total=False):
    """Where to run and how to sample: `SamplingOptions` of the protos besides `RunOptions`."""

    temperature: float | None
    top_k: int | None
    top_p: float | None
    min_p: float | None
    typical_p: float | None
    repeat_penalty: float | None
    repeat_last_n: int | None
    presence_penalty: float | None
    frequency_penalty: float | None
    mirostat: int | None
    mirostat_tau: float | None
    mirostat_eta: float | None
    top_n_sigma: float | None
    xtc_probability: float | None
    xtc_threshold: float | None
    dry_multiplier: float | None
    dry_base: float | None
    dry_allowed_length: int | None
    dry_penalty_last_n: int | None
    dry_sequence_breakers: str | Sequence[str] | None
    dynatemp_range: float | None
    dynatemp_exponent: float | None
    seed: int | None
    max_tokens: int | None
    stop: str | Sequence[str] | None
    stop_token_ids: Sequence[int] | None
    ignore_eos: bool | None
    logit_bias: Iterable[LogitBias] | None
    logprobs: int | None
    grammar: str | None
    json_schema: str | None
    regex: str | None
    choices: Sequence[str] | None


def options_of(given: Mapping[str, Any]) -> types.InferenceOptions:
    """
    Return the options *given* as the requests carry them.

    Raises:
        InvalidInputError: INVALID_FIELD, a value its field cannot hold.
        TypeError: there is no such option.
    """
    options = types.InferenceOptions()
    for name, value in given.items():
        own = name != "sampling" and field_named(options.DESCRIPTOR, name) is not None
        if name == "choices" and value is not None and not isinstance(value, types.Choices):
            value = fill(types.Choices(), values=value)  # noqa: PLW2901 - a list in its message
        fill(options if own else options.sampling, **{name: value})
    return options
