"""Anthropic's paths, and what answers them."""

from __future__ import annotations

from typing import Final

from rkd_gateway.anthropic.messages import messages

ANTHROPIC: Final = (("POST", "/v1/messages", messages),)

ANTHROPIC_MISSING: Final = (("POST", "/v1/messages/count_tokens"),)
"""Known to clients, not built yet: refused in words."""
