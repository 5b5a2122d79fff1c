"""
What the environment says to the console.

RKD_CONSOLE_LISTEN, RKD_CONSOLE_ORIGINS, RKD_CONSOLE_ALLOWED_HOSTS, RKD_CONSOLE_TLS_CERT,
RKD_CONSOLE_TLS_KEY, RKD_CONSOLE_IDLE_S: read and judged in `rkd_web.settings`.
"""

from __future__ import annotations

from collections.abc import Mapping

from rkd_web import settings
from rkd_web.settings import Program, Settings

PROGRAM = Program(
    name="rkd-console",
    called="console",
    prefix="RKD_CONSOLE",
    listen="127.0.0.1:7589",
    if_taken="is another rkd-console running there? choose another port in RKD_CONSOLE_LISTEN",
    web_sockets=True,
)


def read(environment: Mapping[str, str]) -> Settings:
    """
    Read the settings.

    Raises:
        InvalidInputError: INVALID_SETTING, with the variable and what it should be.
    """
    return settings.read(environment, PROGRAM)
