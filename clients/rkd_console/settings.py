"""
What the environment says to the console.

RKD_CONSOLE_LISTEN, RKD_CONSOLE_ORIGINS, RKD_CONSOLE_ALLOWED_HOSTS, RKD_CONSOLE_TLS_CERT,
RKD_CONSOLE_TLS_KEY, RKD_CONSOLE_IDLE_S: read and judged in `rkd_web.settings`.
"""

from __future__ import annotations

from functools import partial

from rkd_web import settings
from rkd_web.settings import Program

PROGRAM = Program(
    name="rkd-console",
    called="console",
    about="rkd in a browser",
    prefix="RKD_CONSOLE",
    listen="127.0.0.1:7589",
    if_taken="is another rkd-console running there? choose another port in RKD_CONSOLE_LISTEN",
    web_sockets=True,
)

read = partial(settings.read, program=PROGRAM)
"""Reads the settings; see there."""
