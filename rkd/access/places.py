"""Where tokens and certificates are kept unless told otherwise: the system's folder or a user's."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Final

SYSTEM_FOLDER: Final = Path("/etc/rkd")
MADE: Final = "tokens"
"""Of the state directory: tokens made over the wire."""


def config_folder(environment: Mapping[str, str], user_id: int) -> Path:
    """Return `/etc/rkd` for root, `$XDG_CONFIG_HOME/rkd` for others."""
    if user_id == 0:
        return SYSTEM_FOLDER
    home = environment.get("XDG_CONFIG_HOME") or f"{environment.get('HOME') or '/'}/.config"
    return Path(home) / "rkd"


def token_file(environment: Mapping[str, str], user_id: int) -> Path:
    """
    Return the token file a daemon of this environment and user would read.

    1. RKD_TOKEN_FILE; 2. `token_file` of the configuration file; 3. `tokens` in the folder above.
    """
    if named := environment.get("RKD_TOKEN_FILE"):
        return Path(named).expanduser()
    said = _configured(environment, "token_file")
    return Path(said).expanduser() if said else config_folder(environment, user_id) / "tokens"


def made_file(environment: Mapping[str, str], user_id: int) -> Path:
    """Return where a daemon of this environment and user keeps the tokens made over the wire."""
    if named := environment.get("RKD_STATE_DIR") or _configured(environment, "state_dir"):
        return Path(named).expanduser() / MADE
    if user_id == 0:
        return Path("/var/lib/rkd") / MADE
    home = environment.get("HOME") or "/"
    return Path(environment.get("XDG_STATE_HOME") or f"{home}/.local/state") / "rkd" / MADE


def _configured(environment: Mapping[str, str], key: str) -> str:
    file = Path(environment.get("RKD_CONFIG") or SYSTEM_FOLDER / "rkd.toml")
    try:
        said = tomllib.loads(file.read_text(encoding="utf-8")).get(key)
    except (OSError, ValueError):
        return ""  # a file that cannot be read is the daemon's to complain of
    return said if isinstance(said, str) else ""
