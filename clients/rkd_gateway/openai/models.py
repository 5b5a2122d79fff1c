"""`/v1/models`: what can be asked."""

from __future__ import annotations

import asyncio
from typing import Any

from rkd_client.errors import NotFoundError
from rkd_client.v1.types import ModelSummary

from rkd_gateway.endpoint import Answer, Call
from rkd_gateway.fields import without_latest


async def models(call: Call) -> Answer:
    """List the models that can be used."""
    found = await _entries(call)
    ends = {"first_id": found[0]["id"], "last_id": found[-1]["id"]} if found else {}
    return {"object": "list", "data": found, "has_more": False, **ends}


async def model(call: Call) -> Answer:
    """Tell one of them."""
    name = without_latest(call.path["model"])
    for entry in await _entries(call):
        if entry["id"].lower() == name.lower():
            return entry
    raise NotFoundError("MODEL_NOT_FOUND", f"there is no model {name[:80]!r} that can be used")


async def _entries(call: Call) -> list[dict[str, Any]]:
    listed, resident = await asyncio.gather(call.client.list(), call.client.residents())
    served = {one.model: one.context_tokens for one in resident.residents if one.context_tokens}
    return [_entry(one, served.get(one.name)) for one in listed.models if one.state == "ready"]


def _entry(one: ModelSummary, context_tokens: int | None) -> dict[str, Any]:
    created = 0 if one.modified is None else int(one.modified.timestamp())
    entry = {"id": one.name, "object": "model", "created": created, "owned_by": "rkd"}
    # Only what is resident has a context that is sure.
    return entry if context_tokens is None else {**entry, "max_model_len": context_tokens}
