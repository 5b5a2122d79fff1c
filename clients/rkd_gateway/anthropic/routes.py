"""Anthropic's paths, and what answers them."""

from __future__ import annotations

from typing import Final

from rkd_gateway.anthropic.messages import count_tokens, messages

ANTHROPIC: Final = (
    ("POST", "/v1/messages", messages),
    ("POST", "/v1/messages/count_tokens", count_tokens),
)
