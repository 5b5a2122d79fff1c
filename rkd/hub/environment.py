"""
What the hub's library reads from the environment when it is first imported.

It has no other way to be told these; so they are set once, before anything imports it.
"""

from __future__ import annotations

import os
from pathlib import Path

CONNECT_TIMEOUT_S = 10.0
"""Longest wait for a connection to the hub."""

READ_TIMEOUT_S = 30.0
"""Longest silence of the hub inside an answer."""

_SETTINGS = {
    "HF_HUB_DISABLE_XET": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "HF_HUB_DISABLE_PROGRESS_BARS": "1",
    "HF_HUB_DISABLE_UPDATE_CHECK": "1",
    "HF_HUB_DISABLE_IMPLICIT_TOKEN": "1",
    "HF_HUB_VERBOSITY": "error",
    "HF_HUB_DOWNLOAD_TIMEOUT": str(int(READ_TIMEOUT_S)),
}
"""
Its warnings quote signed addresses. Xet cannot be cancelled per file nor checked byte by byte,
telemetry asks a server at import, and a token is sent where we say and nowhere else.

Source: huggingface_hub 2.4.0 `constants.py`, measured against a local hub, 2026-08.
"""


def settle_environment(home: Path) -> None:
    """
    Set what huggingface_hub reads at import; call once, before its first use.

    Args:
        home: where the library may keep its own small files.
    """
    os.environ.update(_SETTINGS)
    os.environ["HF_HOME"] = str(home)
