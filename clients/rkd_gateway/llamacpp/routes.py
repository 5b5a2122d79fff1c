"""Paths of llama.cpp's server, and what answers them."""

from __future__ import annotations

from typing import Final

from rkd_gateway.llamacpp.props import detokenize, health, props, tokenize
from rkd_gateway.openai.chat import chat
from rkd_gateway.openai.completions import completions
from rkd_gateway.openai.embeddings import embeddings

LLAMACPP: Final = (
    ("GET", "/props", props),
    ("GET", "/health", health),
    ("GET", "/v1/health", health),
    ("POST", "/tokenize", tokenize),
    ("POST", "/detokenize", detokenize),
    ("POST", "/embeddings", embeddings),
    ("POST", "/chat/completions", chat),
    ("POST", "/completions", completions),
)
