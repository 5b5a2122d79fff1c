"""The tokenizer that stands beside a model's weights; its chat files are `capability`'s to read."""

from __future__ import annotations

import functools
import re
import threading
from collections.abc import Callable
from pathlib import Path

import tokenizers

from rkd.backend.prompt.lean import Lean, lean
from rkd.backend.prompt.letters import BYTES
from rkd.capability.chat_files import read_bytes, unreadable
from rkd.outside import whole

MAX_FILE_BYTES = 256 * 1024 * 1024
"""Largest file read; tokenizers of 250k tokens have some 35 MB."""


_BYTE = re.compile(r"<0x([0-9A-Fa-f]{2})>")


class Tokenizer:
    """
    Text to token ids and back, as the model was trained; may be used from any thread.

    Args:
        path: a `tokenizer.json`.
        read: see `lean`.

    Raises:
        PreconditionError: LOAD_FAILED, when the file is no tokenizer.
    """

    def __init__(self, path: Path, read: Callable[[bytes], Lean | None] = lean) -> None:
        content = read_bytes(path, MAX_FILE_BYTES)
        try:
            self._lean = read(content)
            # Not from text: 8 MB of it took 70 ms more (x86-64), and a second copy.
            self._tokenizer = (
                self._lean.library if self._lean else tokenizers.Tokenizer.from_buffer(content)
            )
        except Exception as error:
            raise unreadable(path, str(error)) from error
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
        if self._lean:
            return self._lean.size
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
        if self._lean:
            return tuple(self._lean.merged(encoding.ids, encoding.word_ids))
        return tuple(encoding.ids)

    def piece(self, token_id: int) -> bytes:
        """Return the bytes a token stands for, those of special ones too."""
        added = self._added.get(token_id)
        if added is not None:
            return added.encode()
        text = self._word(token_id) or ""
        if "ByteLevel" in self._decoder:
            return bytes(BYTES.get(letter, ord("?")) for letter in text)
        if "WordPiece" in self._decoder:
            return (text[2:] if text.startswith("##") else f" {text}").encode()
        if found := _BYTE.fullmatch(text):
            return bytes([int(found[1], 16)])
        return text.replace("\u2581", " ").encode()

    @functools.cached_property
    def _decoder(self) -> str:
        """What turns tokens into text, in words."""
        return str(self._tokenizer.decoder)

    @functools.cached_property
    def _added(self) -> dict[int, str]:
        added = self._tokenizer.get_added_tokens_decoder()
        return {token: one.content for token, one in added.items()}

    def decode(self, token_ids: tuple[int, ...]) -> str:
        """Turn token ids into text, special tokens included; ids out of range give nothing."""
        size = self.vocabulary_size
        known = [token for token in token_ids if 0 <= token < size]
        if self._lean is None:
            return str(self._tokenizer.decode(known, skip_special_tokens=False))
        words = [word for one in known if (word := self._word(one)) is not None]
        decoder = self._tokenizer.decoder
        return str(decoder.decode(words)) if decoder else " ".join(words)

    def _word(self, token_id: int) -> str | None:
        """A token as the vocabulary writes it."""
        found: str | None = self._tokenizer.id_to_token(token_id)
        if found is None and self._lean and token_id < len(self._lean.words):
            return self._lean.words[token_id]
        return found
