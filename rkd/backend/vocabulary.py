"""
A model's vocabulary as a `Backend` that holds no weights: it tokenizes, detokenizes and spells.

Of a GGUF the engine's library is asked, of NPU weights the `tokenizer.json` beside them.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import NoReturn, Protocol

from rkd.backend.backend import WANTED, Emit, RunHandle
from rkd.bounds import check_token_ids
from rkd.capability.chat_files import TOKENIZER
from rkd.capability.table import require
from rkd.capability.traits import npu_traits
from rkd.inference import (
    Embeddings,
    EmbedSpec,
    Loaded,
    LoadProgress,
    LoadSpec,
    Outcome,
    Ranking,
    RankSpec,
    Run,
)
from rkd.librkllmrt import Family
from rkd.model import BackendKind


class KnownTokens(Protocol):
    """A tokenizer, wherever it comes from."""

    @property
    def vocabulary_size(self) -> int:
        """Number of tokens."""

    def encode(self, text: str, *, add_special: bool, parse_special: bool) -> tuple[int, ...]:
        """Turn text into token ids."""

    def decode(self, token_ids: tuple[int, ...]) -> str:
        """Turn token ids into text."""

    def piece(self, token_id: int) -> bytes:
        """Return the bytes a token stands for."""


class VocabularyBackend:
    """One vocabulary; see `rkd.backend.backend.Backend`, of which the rest is a defect here."""

    def __init__(self) -> None:
        self._held: KnownTokens | None = None

    def load(self, spec: LoadSpec, progress: Callable[[LoadProgress], None]) -> Loaded:
        """Read the vocabulary of *spec*."""
        progress(LoadProgress("vocabulary"))
        # Imported here: a process reads one kind, and each brings a library of its own.
        if spec.backend is BackendKind.NPU:
            require("tokenize", npu_traits(spec, Family.V1_3_1))
            kind = import_module("rkd.backend.prompt.tokenizer").Tokenizer
            self._held = kind(Path(spec.tokenizer_folder) / TOKENIZER)
        else:
            kind = import_module("rkd.backend.llamacpp.vocabulary").GgufVocabulary
            self._held = kind(Path(spec.weights))
        return Loaded(context_tokens=0, slots=1, runtime="vocabulary")

    def tokenize(self, text: str, *, add_special: bool, parse_special: bool) -> tuple[int, ...]:
        """Turn text into token ids."""
        return self._tokens.encode(text, add_special=add_special, parse_special=parse_special)

    def detokenize(self, token_ids: tuple[int, ...]) -> str:
        """Turn token ids into text."""
        check_token_ids(token_ids, self._tokens.vocabulary_size)
        return self._tokens.decode(token_ids)

    def spell(self, token_ids: tuple[int, ...]) -> tuple[bytes, ...]:
        """Return the bytes of each token."""
        check_token_ids(token_ids, self._tokens.vocabulary_size)
        known: dict[int, bytes] = {}
        for token_id in token_ids:
            if token_id not in known:
                known[token_id] = self._tokens.piece(token_id)
        return tuple(known[token_id] for token_id in token_ids)

    def run(self, run: Run, handle: RunHandle, emit: Emit) -> Outcome:
        """Never asked."""
        del run, handle, emit
        _no_weights()

    def embed(self, spec: EmbedSpec, handle: RunHandle = WANTED) -> Embeddings:
        """Never asked."""
        del spec, handle
        _no_weights()

    def rank(self, spec: RankSpec, handle: RunHandle = WANTED) -> Ranking:
        """Never asked."""
        del spec, handle
        _no_weights()

    def close(self) -> None:
        """Let the vocabulary go with the process."""
        self._held = None

    @property
    def _tokens(self) -> KnownTokens:
        if self._held is None:
            raise AssertionError("load before anything else")
        return self._held


def _no_weights() -> NoReturn:
    raise AssertionError("only the vocabulary is loaded")
