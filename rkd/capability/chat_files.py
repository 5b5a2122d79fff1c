"""
The chat template files that stand beside a model's weights.

Read from a folder that was filled at pull or create; nothing is fetched here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from rkd.capability.rerank import NAMES, first_of
from rkd.errors import PreconditionError, Reason
from rkd.outside import json_value, read_regular

TOKENIZER = "tokenizer.json"
CONFIG = "tokenizer_config.json"
SPECIAL = "special_tokens_map.json"
TEMPLATES = ("chat_template.jinja", "chat_template.json")
"""The template of its own file wins over the one in the configuration, as newer exports mean it."""

MAX_CHAT_FILE_BYTES = 16 << 20
"""`tokenizer_config.json` with a thousand added tokens takes 1.2 MB (Gemma 3)."""
MOST_ITEMS = 1_000_000


@dataclass(frozen=True, slots=True)
class ChatFiles:
    """
    What the files beside the weights say of conversations; empty where they say nothing.

    Args:
        template: the chat template.
        tool_template: another one for conversations with tools, where the model brings two.
        bos_token, eos_token: the texts of these tokens.
        rank_template: one that puts a query and a document together.
    """

    template: str = ""
    tool_template: str = ""
    bos_token: str = ""
    eos_token: str = ""
    rank_template: str = ""


def read_chat_files(folder: Path) -> ChatFiles:
    """
    Read the chat template and special tokens in *folder*.

    Raises:
        PreconditionError: LOAD_FAILED, for a file that is there and cannot be read.
    """
    config = _json(folder / CONFIG)
    special = _json(folder / SPECIAL)
    jinja, listed = (folder / name for name in TEMPLATES)
    text = read_text(jinja) if jinja.is_file() else None
    named = templates_of(config, text, {} if text is not None else _json(listed))
    return ChatFiles(
        template=named.get("default", ""),
        tool_template=named.get("tool_use", ""),
        bos_token=_token(config.get("bos_token")) or _token(special.get("bos_token")),
        eos_token=_token(config.get("eos_token")) or _token(special.get("eos_token")),
        rank_template=first_of((*map(named.get, NAMES), named.get("default"))),
    )


def templates_of(
    config: Mapping[str, object], jinja: str | None, listed: Mapping[str, object]
) -> dict[str, str]:
    """
    Return the templates by name (`default`, `tool_use` …) that a model's files bring.

    Args:
        config: of `CONFIG`.
        jinja: the text of the first of `TEMPLATES`; None where there is none.
        listed: of the second one.
    """
    named = _templates(config.get("chat_template"))
    if jinja is not None:
        return {**named, "default": jinja}
    return _templates(listed.get("chat_template")) or named


def read_text(path: Path, most_bytes: int = MAX_CHAT_FILE_BYTES) -> str:
    """
    Read the text file *path* beside the weights.

    Raises:
        PreconditionError: LOAD_FAILED, it cannot be read.
    """
    try:
        return read_bytes(path, most_bytes).decode()
    except UnicodeDecodeError as error:
        raise unreadable(path, str(error)) from error


def read_bytes(path: Path, most_bytes: int) -> bytes:
    """
    Read the file *path* beside the weights.

    Raises:
        PreconditionError: LOAD_FAILED, it cannot be read.
    """
    try:
        return read_regular(path, most_bytes=most_bytes, within=path.parent)
    except OSError as error:
        raise unreadable(path, error.strerror or str(error)) from error


def _json(path: Path) -> dict[str, object]:
    """The object in *path*; empty when there is no such file."""
    if not path.is_file():
        return {}
    try:
        parsed = json_value(read_text(path).encode(), most_items=MOST_ITEMS)
    except ValueError as error:
        raise unreadable(path, str(error)) from error
    return parsed if isinstance(parsed, dict) else {}


def _templates(given: object) -> dict[str, str]:
    """The templates by name, from a text or a list of {name, template}."""
    if isinstance(given, str):
        return {"default": given}
    named = {}
    for item in given if isinstance(given, list) else []:
        if isinstance(item, dict) and isinstance(item.get("template"), str):
            named[str(item.get("name"))] = item["template"]
    return named


def _token(given: object) -> str:
    """The text of a token given as text or as {content}."""
    if isinstance(given, dict):
        given = given.get("content")
    return given if isinstance(given, str) else ""


def unreadable(path: Path, why: str) -> PreconditionError:
    """Make the error for *path*, which is there and cannot be used."""
    return PreconditionError(
        Reason.LOAD_FAILED,
        f"{path.name} beside the weights cannot be used: {why[:300]}",
        remedy="Fetch the model again, or remove the file to use the runtime's own template.",
        metadata={"file": path.name},
    )
