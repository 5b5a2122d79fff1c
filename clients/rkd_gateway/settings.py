"""
What the environment says to the gateway.

RKD_GATEWAY_LISTEN, RKD_GATEWAY_ORIGINS, RKD_GATEWAY_ALLOWED_HOSTS, RKD_GATEWAY_TLS_CERT,
RKD_GATEWAY_TLS_KEY, RKD_GATEWAY_IDLE_S: read and judged in `rkd_web.settings`.
"""

from __future__ import annotations

from functools import partial

from rkd_web import settings
from rkd_web.settings import Program

PROGRAM = Program(
    name="rkd-gateway",
    called="gateway",
    about="OpenAI's and Ollama's API over rkd",
    prefix="RKD_GATEWAY",
    listen="127.0.0.1:11434",  # Ollama's place: apps look there
    if_taken="is Ollama running there? systemctl stop ollama, or choose another port",
)

read = partial(settings.read, program=PROGRAM)
"""Reads the settings; see there."""
