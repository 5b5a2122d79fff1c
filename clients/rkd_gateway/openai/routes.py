"""OpenAI's paths, and what answers them."""

from __future__ import annotations

from typing import Final

from rkd_gateway.openai.chat import chat
from rkd_gateway.openai.completions import completions
from rkd_gateway.openai.embeddings import embeddings
from rkd_gateway.openai.models import model, models
from rkd_gateway.openai.rerank import rerank

OPENAI: Final = (
    ("GET", "/v1/models", models),
    ("GET", "/v1/models/{model:path}", model),
    ("POST", "/v1/chat/completions", chat),
    ("POST", "/v1/completions", completions),
    ("POST", "/v1/embeddings", embeddings),
    ("POST", "/v1/rerank", rerank),
    ("POST", "/v2/rerank", rerank),
    ("POST", "/rerank", rerank),
)
