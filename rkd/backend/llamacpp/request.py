"""Our options in the words of llama-server's `/completion`, and its refusals in ours; pure."""

from __future__ import annotations

import re
from typing import Any

from rkd.backend.llamacpp.http import EngineError
from rkd.backend.llamacpp.schemas import Schemas
from rkd.backend.prompt.fitting import SHORTER
from rkd.backend.schema.conformity import broken
from rkd.errors import BeyondRangeError, InternalError, Reason, RkdError, bad_field
from rkd.grammar.automaton import automaton_of
from rkd.grammar.choices import gbnf_of
from rkd.inference import LoadSpec, Run, Sampling
from rkd.modelfile.sampling import SAMPLING
from rkd.outside import quoted

MAX_WORDS = 400
"""Characters of the engine's own words in an error: it may quote the whole request."""

_TOO_LARGE = re.compile(r"input \((\d+) tokens\) is too large to process\D*(\d+)")
"""What it says of a text to embed that fits no batch, which is as long as the context then."""

PROGRESS_CHARACTERS = 1024
"""
Longer prompts may take more than one batch: the engine tells its progress and heeds a cancel
between batches. For shorter ones the two events would only delay the first token.
"""


def body_of(
    run: Run,
    prompt: str | list[int],
    spec: LoadSpec | None,
    seed: int,
    schemas: Schemas | None = None,
) -> dict[str, Any]:
    """
    Write *run* as the engine's request.

    Args:
        run: what is asked.
        prompt: as text, or as tokens.
        spec: what is loaded.
        seed: the run's, or drawn.
        schemas: the engine's; one that takes all when None.

    Raises:
        InvalidInputError: INVALID_FIELD, a JSON schema that is none or an unknown adapter.
        PreconditionError: CAPABILITY_UNSUPPORTED, a schema the engine cannot hold an answer to.
    """
    sampling = run.sampling
    body: dict[str, Any] = {
        "prompt": prompt,
        "stream": True,
        "return_progress": len(prompt) > PROGRESS_CHARACTERS,
        "return_tokens": True,
        "cache_prompt": True,
        "seed": seed,
        "stop": list(sampling.stop),
        "n_predict": -1,
    }
    for row in SAMPLING:
        value = getattr(sampling, row.name)
        if value is not None and row.name != "seed":
            body[row.engine or row.name] = _engine_value(row.name, value, spec)
    if sampling.logit_bias:
        body["logit_bias"] = [list(pair) for pair in sampling.logit_bias]
    if sampling.ignore_eos is not None:
        body["ignore_eos"] = sampling.ignore_eos
    if sampling.dry_sequence_breakers:
        body["dry_sequence_breakers"] = list(sampling.dry_sequence_breakers)
    if sampling.stop_token_ids:
        # The engine knows no such thing: `EventAnswer` ends the request, without the figures that
        # come with the last event. These bring them with every one.
        body["return_progress"] = body["timings_per_token"] = True
    if grammar := _grammar_of(sampling):
        body["grammar"] = grammar
    if sampling.json_schema is not None:
        body["json_schema"] = (schemas or Schemas()).of(sampling.json_schema)
    return {**body, **adapters_of(run, spec)}


def _grammar_of(sampling: Sampling) -> str:
    if sampling.regex:
        return automaton_of(sampling.regex).gbnf()
    return gbnf_of(sampling.choices) if sampling.choices else sampling.grammar or ""


def _engine_value(name: str, value: float, spec: LoadSpec | None) -> float:
    """What the engine takes for *value*."""
    match name:
        case "max_tokens" | "logprobs":
            return max(1, value)  # it takes 0 for 1; `EventAnswer` drops that token
        case "repeat_last_n" | "dry_penalty_last_n" if spec is not None and spec.context_tokens:
            # It knows no -1, and sets memory aside for as many as it is told.
            whole = spec.context_tokens
            return whole if value < 0 else min(value, whole)
        case _:
            return value


def adapters_of(run: Run, spec: LoadSpec | None) -> dict[str, Any]:
    """
    Every adapter with its scale; those a run that names any does not name are off.

    Sent with every run: without it the engine goes on with what another client's run had chosen.
    Nothing where there are none.

    Raises:
        InvalidInputError: INVALID_FIELD, an adapter the model does not have.
    """
    if spec is None or not (run.lora or spec.adapters):
        return {}
    known = [name for name, _path, _scale in spec.adapters]
    asked = dict(run.lora) or {name: scale for name, _path, scale in spec.adapters}
    for name in asked:
        if name not in known:
            has = ", ".join(known) or "none"
            what = f"the model has no adapter {quoted(name)}; it has: {has}"
            raise bad_field("options.lora", what)
    return {"lora": [{"id": at, "scale": asked.get(name, 0.0)} for at, name in enumerate(known)]}


def no_call(choice: str) -> RkdError:
    """Make the error for an answer that had to be a call and is none: the engine let go of it."""
    return InternalError(
        Reason.INTERNAL,
        f"The engine made no tool call although tool_choice is {quoted(choice)}.",
        remedy="Simplify the schemas of the tools, or leave `tool_choice` unset.",
    )


def refusal_of(error: EngineError) -> RkdError:
    """Say in our words what the engine refused."""
    if error.kind == "exceed_context_size_error":
        body = error.body
        return _too_long(str(body.get("n_prompt_tokens", 0)), str(body.get("n_ctx", 0)))
    if found := _TOO_LARGE.search(str(error)):
        return _too_long(found[1], found[2])
    words = str(error).rstrip(".")
    if error.kind in {"invalid_request_error", "not_supported_error"}:
        field = "options.sampling.grammar" if "grammar" in words.lower() else "options"
        return bad_field(field, f"was refused by the engine: {words[:MAX_WORDS]}")
    if "empty grammar stack" in words:
        what = "allows no text the engine can write (a range the wrong way round, `[z-a]`?)"
        return bad_field("options.sampling.grammar", what)
    return InternalError(Reason.INTERNAL, f"llama.cpp failed: {words[:MAX_WORDS]}.")


def not_kept(where: str) -> RkdError:
    """The engine ended an answer that does not keep its constraint: its defect, told as ours."""
    return InternalError(
        Reason.INTERNAL,
        f"The engine's answer does not keep {where}.",
        remedy="Ask again; if it goes on, say less in the constraint and report this one.",
    )


def broken_in(sampling: Sampling, answer: str, schemas: Schemas) -> str:
    """Say what of the constraint in *sampling* the finished *answer* breaks, and where; or ""."""
    if sampling.json_schema is not None:
        where = broken(schemas.of(sampling.json_schema), answer)
        return where and f"the JSON schema: {where}"
    if sampling.regex and not automaton_of(sampling.regex).matches(answer):
        return "the regular expression"
    return "the choices" if sampling.choices and answer not in sampling.choices else ""


def _too_long(prompt: str, limit: str) -> RkdError:
    return BeyondRangeError(
        Reason.CONTEXT_LENGTH_EXCEEDED,
        f"The prompt has {prompt} tokens, the context holds {limit}.",
        remedy=SHORTER,
        metadata={"prompt_tokens": prompt, "limit": limit},
    )
