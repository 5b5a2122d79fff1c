"""`/v1/embeddings`: vectors as numbers, or as base64 of 32-bit floats, the client's default."""

from __future__ import annotations

import base64
import struct
from collections.abc import Sequence
from typing import Any

from rkd_gateway.endpoint import Call, HttpAnswer
from rkd_gateway.openai.asking import HARMLESS
from rkd_gateway.problems import bad_field, unsupported


async def embeddings(call: Call) -> HttpAnswer:
    """Turn texts into vectors."""
    fields = call.fields
    model = fields.name_of_model("model")
    inputs = _inputs(fields.take("input"))
    form = fields.text("encoding_format") or "float"
    if form not in {"float", "base64"}:
        raise bad_field("encoding_format", "float or base64")
    dimensions = fields.whole("dimensions")
    fields.skip(*HARMLESS)
    fields.end()
    found = await call.client.embed(model, inputs, dimensions=dimensions)
    write = packed if form == "base64" else list
    data = [
        {"object": "embedding", "index": at, "embedding": write(one.values)}
        for at, one in enumerate(found.embeddings)
    ]
    read = found.usage.prompt_tokens
    counted = {"prompt_tokens": read, "total_tokens": read}
    return {"object": "list", "data": data, "model": model, "usage": counted}


def packed(values: Sequence[float]) -> str:
    """Return *values* as little-endian 32-bit floats in base64."""
    return base64.b64encode(struct.pack(f"<{len(values)}f", *values)).decode()


def _inputs(given: Any) -> list[str]:
    inputs = [given] if isinstance(given, str) else given
    if not isinstance(inputs, list) or not inputs:
        raise bad_field("input", "a text or a list of texts")
    if all(isinstance(one, str) for one in inputs):
        return inputs
    if all(isinstance(one, int | list) for one in inputs):
        raise unsupported("input", "token ids are not built yet", "send texts")
    raise bad_field("input", "a text or a list of texts")
