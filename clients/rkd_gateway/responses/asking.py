"""What a request for a response asks, besides its items."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Final

from rkd_gateway.fields import Fields
from rkd_gateway.openai.asking import HARMLESS, effort
from rkd_gateway.options import sampling
from rkd_gateway.problems import bad_field, unsupported
from rkd_gateway.tools import described

SERVICES: Final = ("conversation", "prompt", "context_management", "moderation", "image")
"""What the service keeps or does beside the model."""

ENCRYPTED: Final = "reasoning.encrypted_content"
LOGPROBS: Final = "message.output_text.logprobs"


@dataclass(frozen=True, slots=True)
class ResponsesRequest:
    """
    One request, read.

    Args:
        model: its name.
        items: what it adds to the conversation.
        previous: id of the response it goes on from; "" for none.
        told: its fields as they are said again in the answer.
        options: as `rkd_client` takes them, tools and their choice among them.
        summary: thoughts are told as summaries, which is what apps show.
        streamed: event by event.
        stored: to be remembered.
        background: its client does not wait.
    """

    model: str
    items: list[Any]
    previous: str
    told: dict[str, Any]
    options: dict[str, Any]
    summary: bool
    streamed: bool
    stored: bool
    background: bool


def tools(fields: Fields) -> list[dict[str, Any]]:
    """
    Take `tools`: functions, their parts beside their type.

    Raises:
        RkdError: INVALID_FIELD; CAPABILITY_UNSUPPORTED for tools of the service.
    """
    return [_tool(one) for one in fields.objects("tools")]


def _tool(fields: Fields) -> dict[str, Any]:
    kind = fields.text("type") or ""
    if kind != "function":
        said = f"{kind[:40]!r} is a tool of a service that is not here"
        raise unsupported(fields.path("type"), said, "offer functions alone")
    fields.skip("defer_loading")
    return described(fields)


def thoughts(fields: Fields | None) -> tuple[dict[str, Any], bool]:
    """Return the options that `reasoning` is, and whether a summary of it is wanted."""
    if fields is None:
        return {}, False
    found = effort(fields, "effort")
    wanted = fields.text("summary") or fields.text("generate_summary")
    fields.skip("generate_summary")
    fields.end()
    return found, wanted is not None


def shape(fields: Fields | None) -> str | None:
    """Return the JSON Schema that `text.format` asks for, as text."""
    if fields is None:
        return None
    if (fields.text("verbosity") or "medium") != "medium":
        raise unsupported("text.verbosity", "is the service's own", "leave it out")
    given = fields.inner("format")
    fields.end()
    if given is None:
        return None
    found: str | None = None
    match given.text("type"):
        case "text":
            pass
        case "json_object":
            found = "{}"
        case "json_schema":
            schema = given.take("schema")
            if not isinstance(schema, dict):
                raise bad_field("text.format.schema", "a JSON Schema object")
            given.skip("name", "description", "strict")
            found = json.dumps(schema)
        case _:
            raise bad_field("text.format.type", "text, json_object or json_schema")
    given.end()
    return found


def options(fields: Fields) -> dict[str, Any]:
    """
    Take what every answer may be asked, as `rkd_client` calls it.

    Raises:
        RkdError: INVALID_FIELD; CAPABILITY_UNSUPPORTED, what is not here.
    """
    fields.skip(*HARMLESS, "prompt_cache_options", "max_tool_calls", "access_programs")
    for name in SERVICES:
        if fields.take(name):
            raise unsupported(name, "is kept by a service that is not here", "leave it out")
    if fields.yes("parallel_tool_calls") is False:
        raise unsupported("parallel_tool_calls", "false is not built", "leave it out")
    fields.rename("max_output_tokens", "max_tokens")
    included = fields.items("include") or []
    for one in included:
        if one not in (ENCRYPTED, LOGPROBS):
            raise unsupported("include", f"{str(one)[:40]!r} is not here", "leave it out")
    rivals = fields.whole("top_logprobs")
    found = sampling(fields, "openai")
    if LOGPROBS in included or rivals:
        found["logprobs"] = rivals or 0
    match fields.text("truncation") or "disabled":
        case "disabled":
            pass
        case "auto":
            found["context_overflow"] = "trim_oldest"
        case _:
            raise bad_field("truncation", "auto or disabled")
    return found
