"""Ollama's paths, and what answers them."""

from __future__ import annotations

from typing import Final

from rkd_gateway.ollama import answer, blobs, embedding, making, models

OLLAMA: Final = (
    ("GET", "/api/version", models.version),
    ("GET", "/api/tags", models.tags),
    ("GET", "/api/ps", models.ps),
    ("POST", "/api/show", models.show),
    ("POST", "/api/chat", answer.chat),
    ("POST", "/api/generate", answer.generate),
    ("POST", "/api/embed", embedding.embed),
    ("POST", "/api/embeddings", embedding.embeddings),
    ("POST", "/api/pull", models.pull),
    ("POST", "/api/copy", models.copy),
    ("DELETE", "/api/delete", models.delete),
    ("POST", "/api/create", making.create),
    ("POST", "/api/push", making.push),
    ("HEAD", "/api/blobs/{digest}", blobs.known),
    ("POST", "/api/blobs/{digest}", blobs.send),
)
