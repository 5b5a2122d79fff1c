"""Where tokens and certificates are kept unless told otherwise: the system's folder or a user's."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path

from rkd.config import DEFAULT_FILE, MADE_TOKENS, defaults


def config_folder(environment: Mapping[str, str], user_id: int) -> Path:
    """Return `/etc/rkd` for root, `$XDG_CONFIG_HOME/rkd` for others."""
    return Path(defaults(environment, user_id)["token_file"]).parent


def token_file(environment: Mapping[str, str], user_id: int) -> Path:
    """
    Return the token file a daemon of this environment and user would read.

    1. RKD_TOKEN_FILE; 2. `token_file` of the configuration file; 3. `tokens` in the folder above.
    """
    return _place(environment, user_id, "token_file")


def made_file(environment: Mapping[str, str], user_id: int) -> Path:
    """Return where a daemon of this environment and user keeps the tokens made over the wire."""
    return _place(environment, user_id, "state_dir") / MADE_TOKENS


def _place(environment: Mapping[str, str], user_id: int, key: str) -> Path:
    said = environment.get(f"RKD_{key.upper()}") or _configured(environment, key)
    return Path(said).expanduser() if said else Path(defaults(environment, user_id)[key])


def _configured(environment: Mapping[str, str], key: str) -> str:
    file = Path(environment.get("RKD_CONFIG") or DEFAULT_FILE)
    try:
        said = tomllib.loads(file.read_text(encoding="utf-8")).get(key)
    except (OSError, ValueError):
        return ""  # a file that cannot be read is the daemon's to complain of
    return said if isinstance(said, str) else ""
