"""OpenAI's paths, and what answers them."""

from __future__ import annotations

from typing import Final

from rkd_gateway.openai.chat import chat
from rkd_gateway.openai.completions import completions
from rkd_gateway.openai.embeddings import embeddings
from rkd_gateway.openai.models import model, models

OPENAI: Final = (
    ("GET", "/v1/models", models),
    ("GET", "/v1/models/{model:path}", model),
    ("POST", "/v1/chat/completions", chat),
    ("POST", "/v1/completions", completions),
    ("POST", "/v1/embeddings", embeddings),
)

OPENAI_MISSING: Final = (("POST", "/v1/rerank"),)
"""Known to clients, not built yet: refused in words."""
