"""
Contexts: named boards with endpoint, token and certificates, in one file of the user.

The file is JSON, mode 0600 because of the tokens, and written whole or not at all.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from rkd_client.errors import PreconditionError
from rkd_client.files import place_of, write_whole


@dataclass(frozen=True, slots=True)
class Context:
    """One board: its name here and the shared flags that reach it."""

    name: str
    endpoint: str = ""
    token: str = ""
    ca: str = ""
    cert: str = ""
    key: str = ""


@dataclass(frozen=True, slots=True)
class Store:
    """All contexts, sorted by name, and the name of the one in use ("" for none)."""

    contexts: tuple[Context, ...] = ()
    current: str = ""


def file_of(environment: Mapping[str, str]) -> Path:
    """Return where the contexts are kept."""
    base = environment.get("XDG_CONFIG_HOME") or f"{environment.get('HOME') or '~'}/.config"
    return place_of(base) / "rkctl" / "contexts.json"


def load(file: Path) -> Store:
    """
    Read the contexts; a file that is not there holds none.

    Raises:
        PreconditionError: the file cannot be read or is not ours.
    """
    try:
        data = json.loads(file.read_text(encoding="utf-8"))
        known = {field.name for field in fields(Context)} - {"name"}
        found = [
            Context(name, **{key: str(value) for key, value in entry.items() if key in known})
            for name, entry in sorted(data["contexts"].items())
        ]
        return Store(tuple(found), str(data.get("current", "")))
    except FileNotFoundError:
        return Store()
    except (OSError, ValueError, RecursionError, LookupError, AttributeError, TypeError) as error:
        raise PreconditionError(
            "INVALID_CONTEXTS",
            f"the contexts in {file} cannot be read: {error}",
            remedy="mend the file or move it away",
        ) from error


def save(file: Path, store: Store) -> None:
    """
    Write the contexts.

    Raises:
        PreconditionError: the file cannot be written.
    """
    entries = {
        context.name: {k: v for k, v in asdict(context).items() if v and k != "name"}
        for context in store.contexts
    }
    text = json.dumps({"current": store.current, "contexts": entries}, indent=2) + "\n"
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        write_whole(file, text, mode=0o600)
    except OSError as error:
        said = f"the contexts cannot be written to {file}: {error}"
        raise PreconditionError("DISK", said) from error
