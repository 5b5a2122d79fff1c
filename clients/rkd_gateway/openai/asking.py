"""What OpenAI's inference requests share, and fields accepted though they do nothing."""

from __future__ import annotations

import json
from typing import Any, Final

from rkd_gateway.fields import Fields, number
from rkd_gateway.options import sampling
from rkd_gateway.problems import bad_field, unsupported

HARMLESS: Final = (
    "user",
    "metadata",
    "safety_identifier",
    "prompt_cache_key",
    "prompt_cache_retention",
    "service_tier",
    "timings_per_token",
    "cache_prompt",
)
"""About the caller's account, or what llama.cpp's server is told: no answer depends on them."""

NEUTRAL: Final[dict[str, tuple[Any, ...]]] = {
    "best_of": (1,),
    "store": (False,),
    "parallel_tool_calls": (True,),
    "modalities": (["text"],),
    "verbosity": ("medium",),
    "suffix": ("",),
    "echo": (False,),
}
"""Fields that are honoured only where they ask for what happens anyway."""

OF_VLLM: Final = {
    "json": "json_schema",
    "regex": "regex",
    "choice": "choices",
    "grammar": "grammar",
}
"""What vLLM's `structured_outputs` calls the daemon's constraints."""

CONSTRAINTS: Final = {
    **{f"guided_{name}": ours for name, ours in OF_VLLM.items()},
    **{ours: ours for ours in OF_VLLM.values()},
}
"""Constraints that stand in the request itself: vLLM's of old, llama.cpp's and ours."""


def options(fields: Fields) -> dict[str, Any]:
    """
    Take what every answer may be asked, as `rkd_client` calls it.

    Raises:
        RkdError: INVALID_FIELD; CAPABILITY_UNSUPPORTED, what the daemon cannot do.
    """
    refuse_unless_neutral(fields)
    fields.skip(*HARMLESS)
    found = sampling(fields, "openai")
    found["logit_bias"] = biases(fields.inner("logit_bias"))
    found.update(effort(fields))
    return found


def refuse_unless_neutral(fields: Fields) -> None:
    """Refuse what asks for more than there is."""
    for name, harmless in NEUTRAL.items():
        value = fields.take(name)
        if value is not None and value not in harmless:
            raise unsupported(name, f"{json.dumps(value)[:60]} is not built yet", "leave it out")


def biases(given: Fields | None) -> list[dict[str, Any]] | None:
    """Return a bias for each token id."""
    if given is None:
        return None
    found = []
    for name, value in given.everything().items():
        if not (name.isascii() and name.isdecimal() and len(name) < 10):  # noqa: PLR2004 - int32
            raise bad_field("logit_bias", "an object from token ids to biases")
        found.append({"token_id": int(name), "bias": number(given.path(name[:20]), value)})
    return found


def effort(fields: Fields, name: str = "reasoning_effort") -> dict[str, Any]:
    """Return whether and how much to think, as the field *name* says."""
    given = fields.text(name)
    if given is None:
        return {}
    return {"thinking": False} if given == "none" else {"reasoning_effort": given}


def template(fields: Fields) -> dict[str, Any]:
    """Return what vLLM's `chat_template_kwargs` asks for; its `enable_thinking` is a switch."""
    given = fields.inner("chat_template_kwargs")
    if given is None:
        return {}
    found = {
        "thinking": given.yes("enable_thinking"),
        "reasoning_effort": given.text("reasoning_effort"),
        "template_arguments": given.everything() or None,
    }
    return {name: value for name, value in found.items() if value is not None}


def constraint(fields: Fields) -> dict[str, Any]:
    """
    Return what the answer is held to, as `rkd_client` calls it.

    OpenAI says `response_format`; vLLM `structured_outputs`, and `guided_…` before it; llama.cpp
    `json_schema` and `grammar`; rkd those two, `regex` and `choices`.

    Raises:
        InvalidInputError: INVALID_FIELD, more than one of them, or one of another shape.
    """
    found = [("json_schema", schema(fields.inner("response_format")))]
    found += [(ours, _held_to(fields, name, ours)) for name, ours in CONSTRAINTS.items()]
    if (inner := fields.inner("structured_outputs")) is not None:
        found += [(ours, _held_to(inner, name, ours)) for name, ours in OF_VLLM.items()]
        found.append(("json_schema", "{}" if inner.yes("json_object") else None))
        inner.end()
    given = [(name, value) for name, value in found if value is not None]
    if len(given) > 1:
        raise bad_field("response_format", "the only constraint of an answer")
    return dict(given)


def _held_to(fields: Fields, name: str, ours: str) -> Any:
    match ours:
        case "json_schema":
            value = fields.take(name)
            if value is not None and not isinstance(value, dict | str):
                raise bad_field(fields.path(name), "a JSON Schema")
            return json.dumps(value) if isinstance(value, dict) else value
        case "choices":
            texts = fields.items(name)
            if texts is not None and not all(isinstance(one, str) for one in texts):
                raise bad_field(fields.path(name), "a list of texts")
            return texts
    return fields.text(name)


def schema(fields: Fields | None) -> str | None:
    """Return the JSON Schema that `response_format` asks for, as text."""
    if fields is None:
        return None
    kind = fields.text("type")
    found: str | None
    match kind:
        case "text":
            found = None
        case "json_object":
            found = "{}"
        case "json_schema":
            inner = fields.inner("json_schema")
            given = None if inner is None else inner.take("schema")
            if inner is None or not isinstance(given, dict):
                raise bad_field("response_format.json_schema.schema", "a JSON Schema object")
            inner.skip("name", "description", "strict")  # what is asked for is always kept to
            inner.end()
            found = json.dumps(given)
        case _:
            raise bad_field("response_format.type", "text, json_object or json_schema")
    fields.end()
    return found


def with_usage(fields: Fields, *, streamed: bool) -> bool:
    """Return whether a stream ends with its usage."""
    given = fields.inner("stream_options")
    if given is None:
        return False
    if not streamed:
        raise bad_field("stream_options", "sent with stream=true")
    wanted = given.yes("include_usage") or False
    given.skip("include_obfuscation")
    given.end()
    return wanted
