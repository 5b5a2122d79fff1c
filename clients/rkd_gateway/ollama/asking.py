"""What Ollama's inference requests share: options, keep_alive, think, format."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from rkd.modelfile.parameters import PARAMETERS, Effect
from rkd_gateway.fields import Fields
from rkd_gateway.ollama.shape import seconds
from rkd_gateway.options import sampling
from rkd_gateway.problems import bad_field

HARMLESS = tuple(
    key for key, row in PARAMETERS.items() if row.effect in {Effect.NONE, Effect.DEPRECATED}
)
"""Options that mean nothing on a board with one NPU, as in a Modelfile."""

ALSO_HARMLESS = ("numa", "tfs_z", "embedding_only", "num_thread", "num_batch")
"""Of old versions, gone there as well; or how fast a model's process works, not what it says."""


def options(fields: Fields) -> dict[str, Any]:
    """
    Take `options`, `keep_alive` out of *fields*, as `rkd_client` calls them.

    Raises:
        RkdError: INVALID_FIELD; CAPABILITY_UNSUPPORTED, an option that would change the answer.
    """
    found: dict[str, Any] = {"keep_alive_s": seconds("keep_alive", fields.take("keep_alive"))}
    inner = fields.inner("options")
    if inner is not None:
        found.update(sampling(inner, "ollama"))
        inner.skip(*HARMLESS, *ALSO_HARMLESS)
        found["context_tokens"] = inner.whole("num_ctx") or None
        inner.end()
    return found


def answering(fields: Fields, ours: Mapping[str, Any]) -> dict[str, Any]:
    """Take also what only answers have, think, format, logprobs; *ours* where nothing is said."""
    found = {**ours, **options(fields)}
    found.update(thinking(fields.take("think")))
    found["json_schema"] = schema(fields.take("format"))
    wanted, rivals = fields.yes("logprobs"), fields.whole("top_logprobs")
    if rivals and not wanted:
        raise bad_field("top_logprobs", "sent with logprobs=true")
    if wanted:
        found["logprobs"] = rivals or 0
    return found


def thinking(value: object) -> dict[str, Any]:
    """Return whether to think, or how much; nothing leaves it to the model."""
    if value is None or isinstance(value, bool):
        return {} if value is None else {"thinking": value}
    if value in ("low", "medium", "high"):
        return {"reasoning_effort": value}
    raise bad_field("think", "true, false, low, medium or high")


def schema(value: object) -> str | None:
    """Return the JSON Schema of the answer as text; `json` means any object."""
    if value is None or value == "":
        return None
    if value == "json":
        return "{}"
    if isinstance(value, dict):
        return json.dumps(value)
    raise bad_field("format", '"json" or a JSON Schema object')
