"""`/props`: what one model can do, as apps of llama.cpp's server ask before they use it."""

from __future__ import annotations

import asyncio
from typing import Any

from rkd_client import AsyncClient
from rkd_client.errors import NotFoundError

from rkd_gateway import several
from rkd_gateway.endpoint import Call, HttpAnswer
from rkd_gateway.fields import without_latest
from rkd_gateway.problems import bad_field


async def props(call: Call) -> HttpAnswer:
    """Tell about the model in `?model=`; else the one in memory, else the only one."""
    name = without_latest(call.query.get("model", "")) or await _only(call.client)
    shown, resident = await asyncio.gather(call.client.show(name), call.client.residents())
    served = [one for one in resident.residents if one.model == shown.summary.name]
    known = frozenset(shown.capabilities)
    context = served[0].context_tokens if served else shown.summary.context_tokens
    slots = [one.slots for one in served if one.slots]
    return {
        "default_generation_settings": {"n_ctx": context, "params": {}},
        "total_slots": slots[0] if slots else 1,
        "model_alias": shown.summary.name,
        "model_path": shown.weights[0].name if shown.weights else "",
        "chat_template": shown.template,
        "chat_template_caps": {
            "supports_tools": "tools" in known,
            "supports_tool_calls": "tools" in known,
            "supports_system_role": True,
        },
        "modalities": {"vision": "vision" in known, "audio": False},
        "build_info": "rkd",
    }


async def health(call: Call) -> HttpAnswer:
    """Say that the daemon answers this caller."""
    await call.client.using(timeout=2.0).residents()
    return {"status": "ok"}


async def tokenize(call: Call) -> HttpAnswer:
    """Turn a text into tokens."""
    fields = call.fields
    name = await _named(call)
    text = fields.text("content") or ""
    special = fields.yes("parse_special")
    add = fields.yes("add_special") or False
    if fields.yes("with_pieces"):
        raise bad_field("with_pieces", "left out: tokens are numbers here")
    fields.end()
    found = await call.client.tokenize(name, text, add_special=add, parse_special=special)
    return {"tokens": list(found.token_ids)}


async def detokenize(call: Call) -> HttpAnswer:
    """Turn tokens into a text."""
    fields = call.fields
    name = await _named(call)
    tokens: list[Any] = fields.items("tokens") or []
    if not all(isinstance(one, int) and not isinstance(one, bool) for one in tokens):
        raise bad_field("tokens", "a list of whole numbers")
    fields.end()
    found = await call.client.detokenize(name, tokens)
    return {"content": found.text}


async def _named(call: Call) -> str:
    name = call.fields.text("model")
    return without_latest(name) if name else await _only(call.client)


async def _only(client: AsyncClient) -> str:
    """
    Return the model that is meant where none is named.

    Raises:
        NotFoundError: MODEL_NOT_FOUND, it could be several, or there is none.
    """
    usable, resident = await asyncio.gather(several.ready_models(client), client.residents())
    ready = [one.name for one in usable]
    loaded = list(dict.fromkeys(one.model for one in resident.residents if one.model in ready))
    for names in (loaded, ready):
        if len(names) == 1:
            return names[0]
    said = "no model is named, and it could be several" if ready else "there is no model yet"
    remedy = f"add ?model=, or `model`: {', '.join(ready[:10])}" if ready else "rkctl pull one"
    raise NotFoundError("MODEL_NOT_FOUND", said, remedy=remedy)
