"""
Whether the engine's grammar compiler takes a schema, asked before a token is made.

The engine itself only logs `llg error` and goes on without the schema. The wheel's library exports
the compiler (`nm -D`: `llg_*`), so that it is asked in the very version that would have failed.
**Source** of the declarations: `llguidance.h`, as of llama.cpp b11549.
"""

from __future__ import annotations

import ctypes
import json
from functools import cache
from pathlib import Path
from typing import Any

MAX_SAID = 4096
"""Bytes of the compiler's words."""
_SPARE_BYTES = 512
"""Behind a structure, for fields a later version appends: all zero is their default."""
_BYTES = 256


JSON_OPTIONS: dict[str, Any] = {
    "x-guidance": {
        "whitespace_flexible": False,
        "item_separator": ", ",
        "key_separator": ": ",
    }
}
"""JSON as models were trained on it. Left to itself a small model goes on with blanks and newlines
between two members until its answer is cut, which any JSON allows."""


class _TokenizerInit(ctypes.Structure):
    """`LlgTokenizerInit`."""

    _fields_ = (
        ("vocab_size", ctypes.c_uint32),
        ("tok_eos", ctypes.c_uint32),
        ("token_lens", ctypes.c_void_p),
        ("token_bytes", ctypes.c_char_p),
        ("tokenizer_json", ctypes.c_char_p),
        ("tokenize_assumes_string", ctypes.c_bool),
        ("tokenize_fn", ctypes.c_void_p),
        ("use_approximate_greedy_tokenize_fn", ctypes.c_bool),
        ("tokenize_user_data", ctypes.c_void_p),
        ("slices", ctypes.c_void_p),
        ("spare", ctypes.c_uint8 * _SPARE_BYTES),
    )


class Compiler:
    """
    The compiler of schemas; safe from any thread, and other threads run meanwhile.

    Args:
        library: the wheel's, already loaded by this process.
    """

    def __init__(self, library: Path) -> None:
        self._library = ctypes.CDLL(str(library))
        self._library.llg_new_tokenizer.restype = ctypes.c_void_p
        self._library.llg_validate_grammar.restype = ctypes.c_int32
        self._tokenizer = self._bytes_tokenizer()

    def _bytes_tokenizer(self) -> ctypes.c_void_p:
        """A vocabulary of single bytes: whether a schema compiles does not hang on the words."""
        end = b"\xff<eos>"
        lengths = (ctypes.c_uint32 * (_BYTES + 1))(*([1] * _BYTES), len(end))
        init = _TokenizerInit(
            vocab_size=_BYTES + 1,
            tok_eos=_BYTES,
            token_lens=ctypes.cast(lengths, ctypes.c_void_p),
            token_bytes=bytes(range(_BYTES)) + end,
            use_approximate_greedy_tokenize_fn=True,
        )
        said = ctypes.create_string_buffer(MAX_SAID)
        made = self._library.llg_new_tokenizer(ctypes.byref(init), said, ctypes.c_size_t(len(said)))
        if not made:
            raise AssertionError(f"the compiler takes no bytes: {said.value!r}")
        return ctypes.c_void_p(made)

    def refuses(self, schema: dict[str, Any]) -> str:
        """Say why *schema* does not compile, in one line of the compiler's words; else ""."""
        return self._refuses(b"json_schema", json.dumps(schema))

    def refuses_grammar(self, lark: str) -> str:
        """Say why a grammar does not compile, as `refuses` does."""
        return self._refuses(b"lark", lark)

    def _refuses(self, kind: bytes, text: str) -> str:
        init = ctypes.create_string_buffer(_SPARE_BYTES)  # `LlgConstraintInit`
        self._library.llg_constraint_init_set_defaults(init, self._tokenizer)
        said = ctypes.create_string_buffer(MAX_SAID)
        failed = self._library.llg_validate_grammar(
            init, kind, text.encode(), said, ctypes.c_size_t(len(said))
        )
        if not failed:
            return ""
        return " ".join(said.value.decode(errors="replace").split()).rstrip(".") or "it is refused"


@cache
def compiler(library: Path) -> Compiler:
    """The compiler in *library*, made once."""
    return Compiler(library)
