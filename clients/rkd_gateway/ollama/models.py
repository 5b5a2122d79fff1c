"""Ollama's models: tags, show, ps, copy, delete, pull, version."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from rkd_client import AsyncClient
from rkd_client.v1.models import ShowResponse
from rkd_client.v1.types import ModelSummary, Operation
from starlette.responses import Response

from rkd_gateway import several
from rkd_gateway.endpoint import Call, HttpAnswer, Lines
from rkd_gateway.ollama.shape import FOREVER, NDJSON, details, digest, failed, line, moment
from rkd_gateway.problems import bad_field

CAPABILITIES = ("completion", "tools", "thinking", "embedding", "vision", "insert")
"""Ollama's words; the daemon's `chat` is none of them."""


async def version(call: Call) -> HttpAnswer:
    """Tell the daemon's version."""
    return {"version": await several.version(call.client)}


async def tags(call: Call) -> HttpAnswer:
    """List the models that can be used."""
    return {"models": [_entry(model) for model in await several.ready_models(call.client)]}


def _entry(model: ModelSummary) -> dict[str, Any]:
    return {
        "name": model.name,
        "model": model.name,
        "modified_at": moment(model.modified),
        "size": model.size_bytes,
        "digest": digest(model),
        "details": details(model),
    }


async def ps(call: Call) -> HttpAnswer:
    """List the models in memory; looking keeps none there."""
    listed, resident = await asyncio.gather(call.client.list(), call.client.residents())
    known = {model.name: model for model in listed.models}
    told = []
    for one in resident.residents:
        if one.state != "ready":
            continue
        model = known.get(one.model, ModelSummary(name=one.model))
        entry = {name: value for name, value in _entry(model).items() if name != "modified_at"}
        told.append(
            {
                **entry,
                "size": one.size_bytes,
                "size_vram": one.size_bytes if one.backend == "npu" else 0,
                "context_length": one.context_tokens,
                "expires_at": moment(one.expires) if one.expires else FOREVER,
            }
        )
    return {"models": told}


async def show(call: Call) -> HttpAnswer:
    """Tell everything about one model."""
    name = call.fields.name_of_model("model", "name")
    call.fields.skip("name", "verbose", "system", "template", "options")
    call.fields.end()
    return shown(await call.client.show(name))


def shown(found: ShowResponse) -> dict[str, Any]:
    """Return what `/api/show` answers."""
    model = found.summary
    info: dict[str, Any] = {**found.metadata, "general.architecture": model.architecture}
    if model.parameters:
        info["general.parameter_count"] = model.parameters
    if model.architecture and model.context_tokens:
        info[f"{model.architecture}.context_length"] = model.context_tokens
    return {
        "license": "\n".join(found.licenses),
        "modelfile": found.modelfile,
        "parameters": "\n".join(_parameter(one.key, one.value) for one in found.parameters),
        "template": found.template,
        "system": found.system,
        "details": details(model),
        "messages": [{"role": one.role, "content": one.content} for one in found.messages],
        "model_info": info,
        "capabilities": [one for one in found.capabilities if one in CAPABILITIES],
        "modified_at": moment(model.modified),
    }


def _parameter(key: str, value: str) -> str:
    text = '"' + value.replace('"', '\\"') + '"' if key == "stop" else value
    return f"{key:<30} {text}"


async def copy(call: Call) -> HttpAnswer:
    """Give a model a second name; one that is taken is not taken away."""
    fields = call.fields
    source, destination = fields.name_of_model("source"), fields.name_of_model("destination")
    fields.end()
    await call.client.copy(source, destination)
    return Response(status_code=200)


async def delete(call: Call) -> HttpAnswer:
    """Delete a model."""
    name = call.fields.name_of_model("model", "name")
    call.fields.skip("name")
    call.fields.end()
    await call.client.delete(name)
    return Response(status_code=200)


async def pull(call: Call) -> HttpAnswer:
    """Fetch a model from the Hub; it goes on when the client leaves."""
    source = call.fields.name_of_model("model", "name")
    call.fields.skip("name", "username", "password")
    streamed = call.fields.yes("stream") is not False
    if call.fields.yes("insecure"):
        raise bad_field("insecure", "left out: the Hub is spoken to over TLS")
    call.fields.end()
    if streamed:
        return Lines(_pulling(call.client, source), NDJSON, failed)
    async for _ in _pulling(call.client, source):
        pass
    return {"status": "success"}


async def _pulling(client: AsyncClient, source: str) -> AsyncIterator[bytes]:
    told = b""
    async with client.pull(source) as stream:
        async for step in stream:
            for said in _steps(step.operation):
                text = line(said)
                if text != told:
                    yield text
                told = text
    yield line({"status": "success"})


def _steps(operation: Operation) -> list[dict[str, Any]]:
    progress = operation.progress
    if not progress.total_bytes:
        return [{"status": progress.stage or "pulling manifest"}]
    files = [one for one in progress.files if one.done_bytes < one.total_bytes] or progress.files
    name = files[0].name if files else operation.source
    counted = {"total": progress.total_bytes, "completed": progress.done_bytes}
    return [{"status": f"pulling {name}", "digest": operation.id, **counted}]
