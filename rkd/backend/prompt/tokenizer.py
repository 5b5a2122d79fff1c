"""
The tokenizer and chat template files that stand beside a model's weights.

Read once, at load, from a folder that was filled at pull or create; nothing is fetched here.
"""

from __future__ import annotations

import functools
import json
import threading
from dataclasses import dataclass
from pathlib import Path

import tokenizers

from rkd.errors import PreconditionError, Reason
from rkd.outside import read_regular, whole

TOKENIZER = "tokenizer.json"
CONFIG = "tokenizer_config.json"
SPECIAL = "special_tokens_map.json"
TEMPLATES = ("chat_template.jinja", "chat_template.json")
"""The template of its own file wins over the one in the configuration, as newer exports mean it."""

MAX_FILE_BYTES = 256 * 1024 * 1024
"""Largest file read; tokenizers of 250k tokens have some 35 MB."""


@dataclass(frozen=True, slots=True)
class ChatFiles:
    """
    What the files beside the weights say of conversations; empty where they say nothing.

    Args:
        template: the chat template.
        tool_template: another one for conversations with tools, where the model brings two.
        bos_token, eos_token: the texts of these tokens.
    """

    template: str = ""
    tool_template: str = ""
    bos_token: str = ""
    eos_token: str = ""


def read_chat_files(folder: Path) -> ChatFiles:
    """
    Read the chat template and special tokens in *folder*.

    Raises:
        PreconditionError: LOAD_FAILED, for a file that is there and cannot be read.
    """
    config = _json(folder / CONFIG)
    special = _json(folder / SPECIAL)
    named = _templates(config.get("chat_template"))
    for name in TEMPLATES:
        path = folder / name
        if not path.is_file():
            continue
        text = _text(path)
        own = _templates(_json(path).get("chat_template")) if path.suffix == ".json" else {}
        named = own or {"default": text, "tool_use": named.get("tool_use", "")}
        break
    return ChatFiles(
        template=named.get("default", ""),
        tool_template=named.get("tool_use", ""),
        bos_token=_token(config.get("bos_token")) or _token(special.get("bos_token")),
        eos_token=_token(config.get("eos_token")) or _token(special.get("eos_token")),
    )


class Tokenizer:
    """
    Text to token ids and back, as the model was trained; may be used from any thread.

    Args:
        path: a `tokenizer.json`.

    Raises:
        PreconditionError: LOAD_FAILED, when the file is no tokenizer.
    """

    def __init__(self, path: Path) -> None:
        text = _text(path)
        try:
            self._tokenizer = tokenizers.Tokenizer.from_str(text)
        except Exception as error:
            raise _unreadable(path, str(error)) from error
        self._tokenizer.no_truncation()
        self._tokenizer.no_padding()
        self._switching = threading.Lock()

    @functools.cached_property
    def special_tokens(self) -> dict[int, str]:
        """The text of each token that is marked as special, by its id."""
        added = self._tokenizer.get_added_tokens_decoder()
        return {token: one.content for token, one in added.items() if one.special}

    @property
    def vocabulary_size(self) -> int:
        """Number of tokens, added ones included."""
        return int(self._tokenizer.get_vocab_size(with_added_tokens=True))

    def encode(self, text: str, *, add_special: bool, parse_special: bool) -> tuple[int, ...]:
        """
        Turn *text* into token ids.

        Args:
            text: any text.
            add_special: put the tokens around it that the model expects around a whole text.
            parse_special: read `<|im_start|>` and the like as the tokens they name, not as text.
        """
        with self._switching:
            self._tokenizer.encode_special_tokens = not parse_special
            encoding = self._tokenizer.encode(whole(text), add_special_tokens=add_special)
        return tuple(encoding.ids)

    def decode(self, token_ids: tuple[int, ...]) -> str:
        """Turn token ids into text, special tokens included; ids out of range give nothing."""
        size = self.vocabulary_size
        known = [token for token in token_ids if 0 <= token < size]
        return str(self._tokenizer.decode(known, skip_special_tokens=False))


def _text(path: Path) -> str:
    try:
        return read_regular(path, most_bytes=MAX_FILE_BYTES, within=path.parent).decode()
    except OSError as error:
        raise _unreadable(path, error.strerror or str(error)) from error
    except UnicodeDecodeError as error:
        raise _unreadable(path, str(error)) from error


def _json(path: Path) -> dict[str, object]:
    """The object in *path*; empty when there is no such file."""
    if not path.is_file():
        return {}
    try:
        parsed = json.loads(_text(path))
    except (ValueError, RecursionError) as error:
        raise _unreadable(path, str(error)) from error
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


def _unreadable(path: Path, why: str) -> PreconditionError:
    return PreconditionError(
        Reason.LOAD_FAILED,
        f"{path.name} beside the weights cannot be used: {why[:300]}",
        remedy="Fetch the model again, or remove the file to use the runtime's own template.",
        metadata={"file": path.name},
    )
