"""`/v1/models`: what can be asked."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import Any

from rkd_client.errors import NotFoundError, RkdError
from rkd_client.v1.models import ShowResponse
from rkd_client.v1.types import ModelSummary

from rkd_gateway import several
from rkd_gateway.endpoint import Call, HttpAnswer
from rkd_gateway.fields import without_latest

LOOKED_INTO = 32
"""Of more models than these a list does not say what each can do."""


async def models(call: Call) -> HttpAnswer:
    """List the models that can be used."""
    found = await _entries(call)
    ends = {"first_id": found[0]["id"], "last_id": found[-1]["id"]} if found else {}
    return {"object": "list", "data": found, "has_more": False, **ends}


async def model(call: Call) -> HttpAnswer:
    """Tell one of them."""
    name = without_latest(call.path["model"])
    for entry in await _entries(call):
        if entry["id"].lower() == name.lower():
            return entry
    raise NotFoundError("MODEL_NOT_FOUND", f"there is no model {name[:80]!r} that can be used")


async def _entries(call: Call) -> list[dict[str, Any]]:
    ready, resident = await asyncio.gather(
        several.ready_models(call.client), call.client.residents()
    )
    served = {one.model: one.context_tokens for one in resident.residents if one.context_tokens}
    entries = [_entry(one, served.get(one.name)) for one in ready]
    if len(ready) <= LOOKED_INTO:
        shown = await asyncio.gather(*(_shown(call, one.name) for one in ready))
        for entry, found in zip(entries, shown, strict=True):
            entry.update(_can(found))
    return entries


async def _shown(call: Call, name: str) -> ShowResponse | None:
    try:
        return await call.client.show(name)
    except RkdError:  # deleted in between, or broken: it hides none of the others
        return None


def _can(shown: ShowResponse | None) -> dict[str, Any]:
    if shown is None:
        return {}
    sees = ["image"] if "vision" in shown.capabilities else []
    modalities = {"input_modalities": ["text", *sees], "output_modalities": ["text"]}
    return {"architecture": modalities, "capabilities": list(shown.capabilities)}


def _entry(one: ModelSummary, context_tokens: int | None) -> dict[str, Any]:
    created = 0 if one.modified is None else int(one.modified.timestamp())
    made = datetime.fromtimestamp(created, UTC).isoformat().replace("+00:00", "Z")
    meta = {"n_ctx_train": one.context_tokens, "n_params": one.parameters, "size": one.size_bytes}
    entry = {"id": one.name, "object": "model", "created": created, "owned_by": "rkd"}
    # Anthropic's fields, and llama.cpp's.
    entry |= {"type": "model", "display_name": one.name, "created_at": made, "meta": meta}
    if context_tokens is None:  # only of what is resident it is sure
        return entry
    return {**entry, "max_model_len": context_tokens, "meta": {**meta, "n_ctx": context_tokens}}
