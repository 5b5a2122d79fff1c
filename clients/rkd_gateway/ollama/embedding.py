"""Ollama's vectors: `/api/embed`, and `/api/embeddings` of before."""

from __future__ import annotations

from typing import Any

from rkd_gateway.calls import Watch
from rkd_gateway.endpoint import Call, HttpAnswer
from rkd_gateway.ollama.asking import options
from rkd_gateway.problems import bad_field


async def embed(call: Call) -> HttpAnswer:
    """Turn texts into vectors of length 1; a text that is too long is an error, never cut."""
    watch, fields = Watch(), call.fields
    model = fields.name_of_model("model")
    given = fields.take("input")
    inputs = [given] if isinstance(given, str) else given
    if (
        inputs is None
        or not isinstance(inputs, list)
        or not all(isinstance(i, str) for i in inputs)
    ):
        raise bad_field("input", "a text or a list of texts")
    dimensions = fields.whole("dimensions") or None
    fields.skip("truncate")
    run = _running(options(fields))
    fields.end()
    if not inputs:
        await call.client.load(model, keep_alive_s=run["keep_alive_s"]).result()
        return {"model": model, "embeddings": []}
    found = await call.client.embed(model, inputs, dimensions=dimensions, **run)
    return {
        "model": model,
        "embeddings": [one.values for one in found.embeddings],
        "total_duration": watch.ns,
        "load_duration": 0,
        "prompt_eval_count": found.usage.prompt_tokens,
    }


async def embeddings(call: Call) -> HttpAnswer:
    """Turn one text into a vector as the model gives it."""
    fields = call.fields
    model = fields.name_of_model("model")
    prompt = fields.text("prompt") or ""
    run = _running(options(fields))
    fields.end()
    if not prompt:
        await call.client.load(model, keep_alive_s=run["keep_alive_s"]).result()
        return {"embedding": []}
    found = await call.client.embed(model, prompt, normalize=False, **run)
    return {"embedding": found.embeddings[0].values}


def _running(given: dict[str, Any]) -> dict[str, Any]:
    """Return what of *given* vectors take: nothing is sampled for them."""
    names = ("keep_alive_s", "context_tokens")
    return {name: given.get(name) for name in names}
