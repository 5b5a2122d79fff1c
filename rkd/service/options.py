"""
What a request asks, checked and merged: request over Modelfile over the backend's default.

Pure: protobuf in, plain types out, every bad field named at once.
"""

from __future__ import annotations

import math
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from rkd.bounds import MAX_BIASES, MAX_BREAKER_BYTES
from rkd.errors import Violation, bad_field, bad_fields
from rkd.inference import ContextOverflow, Sampling
from rkd.log import REQUEST_ID
from rkd.model import BackendChoice, Model, ModelName, Recipe
from rkd.modelfile.sampling import LOOP_GUARD_AT_MOST, MAX_STOP_BYTES, MAX_STOPS, SAMPLING
from rkd.pool.deciding.loads import LEAST_CONTEXT_TOKENS
from rkd.v1 import types_pb2 as pb

_SESSION = re.compile(r"[A-Za-z0-9._:@-]{1,128}")
SESSION_NAMES = "1 to 128 of letters, digits, '.', '_', ':', '@', '-'"
_EFFORT = re.compile(r"[A-Za-z0-9_-]{1,32}")
MAX_BIAS = 100.0
MAX_LORA_SCALE = 2.0
MAX_VIOLATIONS = 10
MOST_CONTEXT_TOKENS = 1 << 20
MAX_LORAS = 16
MAX_TRIES = 8
MAX_ANSWERS = 16
FOREVER_S = 100 * 365 * 86_400.0
"""A keep-alive of a century and more has no end."""

Resolve = Callable[[ModelName], Awaitable[Model]]
"""Gives a usable model; raises MODEL_NOT_FOUND, MODELFILE_MISSING, MODEL_INCOMPLETE …"""

Named = Callable[[str], Awaitable[ModelName]]
"""Tells which model a name means; raises INVALID_NAME, MODEL_NOT_FOUND."""

BACKENDS = {pb.Backend.Value(f"BACKEND_{one.name}"): one for one in BackendChoice}

_OVERFLOWS: Mapping[int, ContextOverflow] = {
    pb.CONTEXT_OVERFLOW_UNSPECIFIED: ContextOverflow.REFUSE,
    pb.CONTEXT_OVERFLOW_REFUSE: ContextOverflow.REFUSE,
    pb.CONTEXT_OVERFLOW_TRIM_OLDEST: ContextOverflow.TRIM_OLDEST,
}


async def own_name(text: str) -> ModelName:
    """Take a name as it stands."""
    return ModelName.parse(text)


@dataclass(frozen=True, slots=True)
class Options:
    """
    An inference's options, checked.

    Args:
        keep_alive_s: None says nothing; math.inf is for ever.
        queue_timeout_s: None leaves it to the call's deadline.
    """

    sampling: Sampling
    backend: BackendChoice | None
    keep_alive_s: float | None
    context_tokens: int | None
    priority: int
    queue_timeout_s: float | None
    request_id: str
    thinking: bool | None
    thinking_budget: int | None
    reasoning_effort: str
    return_token_ids: bool
    lora: tuple[tuple[str, float], ...]
    context_overflow: ContextOverflow
    answers: int
    session: str
    structured_tries: int
    loop_guard: int | None


class Checker:
    """Collects what is wrong with a request, to refuse it once: ten things, and how many more."""

    def __init__(self) -> None:
        self._violations: list[Violation] = []
        self._more = 0

    def need(self, holds: object, field: str, description: str) -> None:
        """Note a violation of *field* unless *holds*."""
        if holds:
            return
        if len(self._violations) < MAX_VIOLATIONS:
            self._violations.append(Violation(field, description))
        else:
            self._more += 1

    def finish(self) -> None:
        """
        Refuse the request if anything was noted.

        Raises:
            InvalidInputError: INVALID_FIELD with the first ten violations.
        """
        if self._more:
            self._violations.append(Violation("…", f"and {self._more} more"))
        if self._violations:
            raise bad_fields(self._violations)


def read_options(options: pb.InferenceOptions, recipe: Recipe) -> Options:
    """
    Check *options* and merge them with the model's own.

    Raises:
        InvalidInputError: INVALID_FIELD with every violation.
    """
    check = Checker()
    _check_sampling(options.sampling, check)
    named = options.request_id
    check.need(
        not named or REQUEST_ID.fullmatch(named),
        "options.request_id",
        "should be 1 to 64 of letters, digits, '.', '_', '-'",
    )
    context = options.context_tokens if options.HasField("context_tokens") else None
    check_context(context, "options.context_tokens", check)
    check.need(len(options.lora) <= MAX_LORAS, "options.lora", f"takes at most {MAX_LORAS}")
    for name, scale in list(options.lora.items())[:MAX_LORAS]:
        check.need(
            0 <= scale <= MAX_LORA_SCALE,
            f"options.lora[{name[:80]}]",
            f"should be 0 to {MAX_LORA_SCALE}",
        )
    budget = options.thinking_budget if options.HasField("thinking_budget") else None
    fine = budget is None or 0 <= budget <= MOST_CONTEXT_TOKENS
    check.need(fine, "options.thinking_budget", f"should be 0 to {MOST_CONTEXT_TOKENS}")
    fine = not options.session or bool(_SESSION.fullmatch(options.session))
    check.need(fine, "options.session", f"should be {SESSION_NAMES}")
    effort = options.reasoning_effort
    fine = not effort or bool(_EFFORT.fullmatch(effort))
    check.need(fine, "options.reasoning_effort", "should be 1 to 32 of letters, digits, '_', '-'")
    answers = options.n if options.HasField("n") else 1
    check.need(1 <= answers <= MAX_ANSWERS, "options.n", f"should be 1 to {MAX_ANSWERS}")
    tries = options.structured_tries if options.HasField("structured_tries") else 0
    fine = not options.HasField("structured_tries") or 1 <= tries <= MAX_TRIES
    check.need(fine, "options.structured_tries", f"should be 1 to {MAX_TRIES}")
    guard = options.loop_guard if options.HasField("loop_guard") else None
    fine = guard is None or 0 <= guard <= LOOP_GUARD_AT_MOST
    check.need(fine, "options.loop_guard", f"should be 0 to {LOOP_GUARD_AT_MOST}")
    check.finish()
    return Options(
        sampling=merged(options.sampling, recipe),
        backend=BACKENDS.get(options.backend),
        keep_alive_s=keep_alive_s(options),
        context_tokens=context,
        priority=options.priority,
        queue_timeout_s=seconds_of(options, "queue_timeout", "options.queue_timeout"),
        request_id=named,
        thinking=options.thinking if options.HasField("thinking") else _thinking(recipe),
        thinking_budget=budget,
        reasoning_effort=effort,
        return_token_ids=options.return_token_ids,
        lora=tuple(sorted(options.lora.items())),
        context_overflow=_OVERFLOWS[options.context_overflow],
        answers=answers,
        session=options.session,
        structured_tries=tries,
        loop_guard=_loop_guard(recipe) if guard is None else guard,
    )


def _thinking(recipe: Recipe) -> bool | None:
    own = recipe.parameter("enable_thinking")
    return own if isinstance(own, bool) else None


def _loop_guard(recipe: Recipe) -> int | None:
    own = recipe.parameter("loop_guard")
    return own if isinstance(own, int) else None


def keep_alive_s(message: Any) -> float | None:
    """Seconds of a message's optional `keep_alive`; negative and very long means for ever."""
    if not message.HasField("keep_alive"):
        return None
    seconds: float = message.keep_alive.seconds + message.keep_alive.nanos / 1e9
    return seconds if 0 <= seconds < FOREVER_S else math.inf


def seconds_of(message: Any, name: str, path: str) -> float | None:
    """
    Seconds of a message's optional duration *name*; None when it is not set.

    Raises:
        InvalidInputError: INVALID_FIELD naming *path*, for a negative one.
    """
    if not message.HasField(name):
        return None
    given = getattr(message, name)
    seconds: float = given.seconds + given.nanos / 1e9
    if seconds < 0:
        raise bad_field(path, "should not be negative")
    return seconds


def check_context(tokens: int | None, field: str, check: Checker) -> None:
    """Note a context nobody can have."""
    fine = tokens is None or LEAST_CONTEXT_TOKENS <= tokens <= MOST_CONTEXT_TOKENS
    check.need(fine, field, f"should be {LEAST_CONTEXT_TOKENS} to {MOST_CONTEXT_TOKENS}")


_PLAIN: tuple[tuple[str, str, Callable[[Any], Any]], ...] = (
    *((row.name, row.key, row.meant) for row in SAMPLING),
    ("ignore_eos", "ignore_eos", lambda value: value),
)
"""Fields of one value: their names here and in a Modelfile, and what a value stands for."""
_LISTS = ("stop", "stop_token_ids", "dry_sequence_breakers")
"""Fields of many values, by their name here and in a Modelfile."""


def _check_sampling(sampling: pb.SamplingOptions, check: Checker) -> None:
    for row in SAMPLING:
        value = getattr(sampling, row.name)
        fine = not sampling.HasField(row.name) or row.domain.admits(value)
        where = f"options.sampling.{row.name}"
        check.need(fine, where, f"should be {row.domain.allowed}, not {value:g}")
    for name, most_bytes in (
        ("stop", MAX_STOP_BYTES),
        ("dry_sequence_breakers", MAX_BREAKER_BYTES),
    ):
        texts = getattr(sampling, name)
        check.need(len(texts) <= MAX_STOPS, f"options.sampling.{name}", f"takes {MAX_STOPS}")
        for at, text in enumerate(texts[:MAX_STOPS]):
            fine = 1 <= len(text.encode()) <= most_bytes
            where = f"options.sampling.{name}[{at}]"
            check.need(fine, where, f"should have 1 to {most_bytes} bytes")
    few = len(sampling.stop_token_ids) <= MAX_STOPS
    check.need(few, "options.sampling.stop_token_ids", f"takes {MAX_STOPS}")
    for at, token_id in enumerate(sampling.stop_token_ids[:MAX_STOPS]):
        where = f"options.sampling.stop_token_ids[{at}]"
        check.need(token_id >= 0, where, "should not be negative")
    if sampling.WhichOneof("constraint") == "choices":
        some = bool(sampling.choices.values)
        check.need(some, "options.sampling.choices", "should name at least one")
    few = len(sampling.logit_bias) <= MAX_BIASES
    check.need(few, "options.sampling.logit_bias", f"takes at most {MAX_BIASES}")
    for at, one in enumerate(sampling.logit_bias[:MAX_BIASES]):
        where = f"options.sampling.logit_bias[{at}]"
        check.need(one.token_id >= 0, f"{where}.token_id", "should not be negative")
        check.need(abs(one.bias) <= MAX_BIAS, f"{where}.bias", f"should be within {MAX_BIAS:g}")


def merged(sampling: pb.SamplingOptions, recipe: Recipe) -> Sampling:
    """The request's sampling over the Modelfile's; `stop` replaces, it does not append."""
    values: dict[str, Any] = {}
    of_model: list[str] = []
    for name, key, means in _PLAIN:
        asked = sampling.HasField(name)
        value = getattr(sampling, name) if asked else recipe.parameter(key)
        values[name] = means(value)
        if not asked and values[name] is not None:
            of_model.append(name)
    for name in _LISTS:
        given = tuple(getattr(sampling, name))
        values[name] = given or recipe.listed(name)
        if values[name] and not given:
            of_model.append(name)
    constraint = sampling.WhichOneof("constraint")
    # The model's own: no answer held to something can go on behind its end.
    if constraint and "ignore_eos" in of_model:
        values["ignore_eos"] = None
    return Sampling(
        **values,
        logit_bias=tuple((one.token_id, one.bias) for one in sampling.logit_bias),
        grammar=sampling.grammar if constraint == "grammar" else None,
        json_schema=sampling.json_schema if constraint == "json_schema" else None,
        regex=sampling.regex if constraint == "regex" else None,
        choices=tuple(sampling.choices.values) if constraint == "choices" else (),
        of_model=tuple(of_model),
    )
