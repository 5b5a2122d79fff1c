"""`/v1/rerank`: documents by how well they answer a query, in Jina's and Cohere's shape."""

from __future__ import annotations

from typing import Any

from rkd_gateway.endpoint import Call, HttpAnswer
from rkd_gateway.openai.asking import HARMLESS
from rkd_gateway.openai.shape import made
from rkd_gateway.problems import bad_field


async def rerank(call: Call) -> HttpAnswer:
    """Score documents, best first."""
    fields = call.fields
    model = fields.name_of_model("model")
    query = fields.text("query")
    documents = [_text(at, one) for at, one in enumerate(fields.items("documents") or ())]
    if not query or not documents:
        raise bad_field("query and documents", "a text and a list of texts")
    top_n = fields.whole("top_n")
    truncate = fields.yes("truncation")
    shown = fields.yes("return_documents") or False
    fields.skip(*HARMLESS, "rank_fields", "max_chunks_per_doc", "max_tokens_per_doc")
    fields.end()
    found = await call.client.rerank(model, query, documents, top_n=top_n, truncate=truncate)
    results: list[dict[str, Any]] = []
    for one in found.results:
        result: dict[str, Any] = {"index": one.index, "relevance_score": one.score}
        if shown:
            result["document"] = {"text": documents[one.index]}
        results.append(result)
    read = found.usage.prompt_tokens
    identity, _ = made("rerank")
    return {
        "id": identity,
        "object": "list",
        "model": model,
        "results": results,
        "usage": {"prompt_tokens": read, "total_tokens": read},
    }


def _text(at: int, given: object) -> str:
    text = given.get("text") if isinstance(given, dict) else given
    if not isinstance(text, str):
        raise bad_field(f"documents[{at}]", "a text, or an object with a text")
    return text
