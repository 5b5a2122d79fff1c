"""What Anthropic's requests may ask besides a conversation."""

from __future__ import annotations

import json
from typing import Any, Final

from rkd_gateway.fields import Fields
from rkd_gateway.options import sampling
from rkd_gateway.problems import bad_field, unsupported

HARMLESS: Final = (
    "metadata",
    "service_tier",
    "cache_control",
    "diagnostics",
    "inference_geo",
    "betas",
)
"""About the caller's account, or about caches that keep themselves here."""

SERVICES: Final = ("container", "mcp_servers", "context_management", "speed")
"""What the service does beside the model."""

STANDARD: Final[dict[str, tuple[Any, ...]]] = {"speed": ("standard",)}


def options(fields: Fields) -> dict[str, Any]:
    """
    Take what every answer may be asked, as `rkd_client` calls it.

    Raises:
        RkdError: INVALID_FIELD; CAPABILITY_UNSUPPORTED, what is not here.
    """
    fields.skip(*HARMLESS)
    for name in SERVICES:
        value = fields.take(name)
        if value and value not in STANDARD.get(name, ()):
            raise unsupported(name, "is a service that is not here", "leave it out")
    fields.rename("stop_sequences", "stop")
    found = sampling(fields, "openai")
    if found.get("max_tokens") is None:
        raise bad_field("max_tokens", "a whole number of tokens; it has to be sent")
    found["thinking"] = thinking(fields.inner("thinking"))
    found.update(_output(fields.inner("output_config")))
    return found


def thinking(fields: Fields | None) -> bool | None:
    """
    Return whether to think; None leaves it to the model.

    `budget_tokens` has to be sent with `enabled`, whatever its sender wants: it is read as the
    advice it is there, since `max_tokens` bounds thoughts and text together.
    """
    if fields is None:
        return None
    kind = fields.text("type")
    fields.whole("budget_tokens")
    fields.skip("display")
    fields.end()
    match kind:
        case "enabled":
            return True
        case "disabled":
            return False
        case "adaptive" | "between_tools":
            return None
    raise bad_field("thinking.type", "enabled, disabled or adaptive")


def _output(fields: Fields | None) -> dict[str, Any]:
    if fields is None:
        return {}
    found: dict[str, Any] = {}
    if effort := fields.text("effort"):
        found["reasoning_effort"] = effort
    shape = fields.inner("format")
    if shape is not None:
        schema = shape.take("schema")
        if shape.text("type") != "json_schema" or not isinstance(schema, dict):
            raise bad_field("output_config.format", 'of type "json_schema" with a schema')
        shape.end()
        found["json_schema"] = json.dumps(schema)
    fields.end()
    return found
