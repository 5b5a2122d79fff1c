"""
The vocabulary of a GGUF without its weights, through the C API that the engine's wheel exports.

The wheel's server knows no such load, llama.cpp's library does: a vocabulary of 49,000 tokens is
there after 0.1 s and takes 26 MB. What it prints while it loads goes to the worker's log.
**Source**: `llama.h` as of b11549; the place of `vocab_only` was seen in the structure the library
itself fills in, and is looked at again before it is used.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from pathlib import Path

from rkd.backend.openmp import preload, refusal
from rkd.backend.quantize.ggml import engine_library
from rkd.capability.ability import no
from rkd.capability.ability import refusal as refused
from rkd.errors import PreconditionError, Reason

UNKNOWN = "vocabulary"
"""Capability named by the refusal of a library whose structures are not those known."""
KNOWN_NUMBERS = (-1, 1, -1, 1, 0)
KNOWN_FLAGS = (0, 0, 1, 0)
"""What the library's defaults are, in the order of the structure."""
_ABOVE_ANY_TEXT = 16
_PIECE_BYTES = 256


class _ModelParams(ctypes.Structure):
    """`llama_model_params`, but for what is not looked at."""

    _fields_ = (
        ("pointers", ctypes.c_void_p * 2),
        ("numbers", ctypes.c_int32 * 6),
        ("more", ctypes.c_void_p * 4),
        ("vocab_only", ctypes.c_uint8),
        ("check_tensors", ctypes.c_uint8),
        ("use_extra_bufts", ctypes.c_uint8),
        ("no_host", ctypes.c_uint8),
        ("no_alloc", ctypes.c_uint8),
        ("rest", ctypes.c_uint8 * 3),
    )

    @property
    def known(self) -> bool:
        """Whether the library's defaults stand where they are expected."""
        flags = (self.vocab_only, self.check_tensors, self.use_extra_bufts, self.no_host)
        return flags == KNOWN_FLAGS and tuple(self.numbers)[: len(KNOWN_NUMBERS)] == KNOWN_NUMBERS


class GgufVocabulary:
    """
    One model's tokens; safe from any thread.

    Args:
        weights: a GGUF.
        find: gives the wheel's library.

    Raises:
        PreconditionError: LOAD_FAILED; CAPABILITY_UNSUPPORTED where there is no wheel, or one that
            is not known.
    """

    def __init__(self, weights: Path, find: Callable[[], Path] = engine_library) -> None:
        self._library = _library(find)
        params = self._library.llama_model_default_params()
        if not params.known:
            raise refused(UNKNOWN, no("this llama.cpp is not known", "Load the model."))
        params.vocab_only = 1
        self._library.llama_backend_init()
        model = self._library.llama_model_load_from_file(str(weights).encode(), params)
        if not model:
            raise PreconditionError(
                Reason.LOAD_FAILED, f"llama.cpp cannot read the vocabulary of {weights.name}."
            )
        self._vocabulary = ctypes.c_void_p(self._library.llama_model_get_vocab(model))

    @property
    def vocabulary_size(self) -> int:
        """Number of tokens."""
        return int(self._library.llama_vocab_n_tokens(self._vocabulary))

    def encode(self, text: str, *, add_special: bool, parse_special: bool) -> tuple[int, ...]:
        """Turn *text* into token ids; arguments as of `Backend.tokenize`."""
        data = text.encode()
        room = len(data) + _ABOVE_ANY_TEXT
        while True:
            ids = (ctypes.c_int32 * room)()
            count = self._library.llama_tokenize(
                self._vocabulary, data, len(data), ids, room, add_special, parse_special
            )
            if count >= 0:
                return tuple(ids[:count])
            room = -count

    def decode(self, token_ids: tuple[int, ...]) -> str:
        """Turn token ids into text, special tokens included."""
        return b"".join(map(self.piece, token_ids)).decode(errors="replace")

    def piece(self, token_id: int) -> bytes:
        """Return the bytes a token stands for, those of special ones too."""
        room = _PIECE_BYTES
        while True:
            held = ctypes.create_string_buffer(room)
            length = self._library.llama_token_to_piece(
                self._vocabulary, token_id, held, room, 0, True
            )
            if length >= 0:
                return held.raw[:length]
            room = -length


def _library(find: Callable[[], Path]) -> ctypes.CDLL:
    preload()
    try:
        path = find()
    except PreconditionError as error:
        raise refused(
            UNKNOWN, no("llama.cpp's wheel is not installed", "Load the model.")
        ) from error
    try:
        library = ctypes.CDLL(str(path))
    except OSError as error:
        raise refusal("llama.cpp", error) from error
    pointer, number, flag = ctypes.c_void_p, ctypes.c_int32, ctypes.c_bool
    for name, result, arguments in (
        ("llama_model_default_params", _ModelParams, ()),
        ("llama_backend_init", None, ()),
        ("llama_model_load_from_file", pointer, (ctypes.c_char_p, _ModelParams)),
        ("llama_model_get_vocab", pointer, (pointer,)),
        ("llama_vocab_n_tokens", number, (pointer,)),
        (
            "llama_tokenize",
            number,
            (pointer, ctypes.c_char_p, number, ctypes.POINTER(number), number, flag, flag),
        ),
        (
            "llama_token_to_piece",
            number,
            (pointer, number, ctypes.c_char_p, number, number, flag),
        ),
    ):
        function = getattr(library, name)
        function.restype, function.argtypes = result, arguments
    return library
