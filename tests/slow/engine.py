"""Logits and token ids straight from the engine's C API, for comparing with the oracle."""

from __future__ import annotations

import ctypes
from pathlib import Path

import numpy as np
import numpy.typing as npt

from rkd.backend.quantize.ggml import engine_library


class _Opaque(ctypes.Structure):
    """
    Room for any parameter struct of llama.h.

    Larger than each of them: such structs are returned and passed in memory, so the engine writes
    and reads its own bytes and never sees the rest.
    """

    _fields_ = (("room", ctypes.c_uint8 * 1024),)


_Log = ctypes.CFUNCTYPE(None, ctypes.c_int, ctypes.c_char_p, ctypes.c_void_p)


class Engine:
    """A GGUF loaded with the engine's defaults (512 tokens of context); never freed."""

    def __init__(self, path: Path) -> None:
        lib = ctypes.CDLL(str(engine_library()))
        self.lib = lib
        for name, result, arguments in (
            ("llama_log_set", None, (_Log, ctypes.c_void_p)),
            ("llama_model_default_params", _Opaque, ()),
            ("llama_context_default_params", _Opaque, ()),
            ("llama_model_load_from_file", ctypes.c_void_p, (ctypes.c_char_p, _Opaque)),
            ("llama_init_from_model", ctypes.c_void_p, (ctypes.c_void_p, _Opaque)),
            ("llama_model_get_vocab", ctypes.c_void_p, (ctypes.c_void_p,)),
            ("llama_vocab_n_tokens", ctypes.c_int32, (ctypes.c_void_p,)),
            ("llama_batch_get_one", _Opaque, (ctypes.c_void_p, ctypes.c_int32)),
            ("llama_decode", ctypes.c_int32, (ctypes.c_void_p, _Opaque)),
            ("llama_get_logits", ctypes.POINTER(ctypes.c_float), (ctypes.c_void_p,)),
            ("llama_free", None, (ctypes.c_void_p,)),
        ):
            function = getattr(lib, name)
            function.restype = result
            function.argtypes = arguments
        lib.llama_tokenize.argtypes = (
            *(ctypes.c_void_p, ctypes.c_char_p, ctypes.c_int32),
            *(ctypes.c_void_p, ctypes.c_int32, ctypes.c_bool, ctypes.c_bool),
        )
        self._quiet = _Log(lambda *_: None)
        lib.llama_log_set(self._quiet, None)
        lib.llama_backend_init()
        model = lib.llama_model_load_from_file(str(path).encode(), lib.llama_model_default_params())
        if not model:
            raise AssertionError(f"the engine refuses {path}")
        self._model = model
        self._vocab = lib.llama_model_get_vocab(model)

    def logits(self, tokens: list[int]) -> npt.NDArray[np.float32]:
        """Logits after each of *tokens*, one row each."""
        lib = self.lib
        context = lib.llama_init_from_model(self._model, lib.llama_context_default_params())
        width = lib.llama_vocab_n_tokens(self._vocab)
        rows = []
        for token in tokens:
            one = (ctypes.c_int32 * 1)(token)
            if lib.llama_decode(context, lib.llama_batch_get_one(one, 1)):
                raise AssertionError("the engine cannot decode")
            rows.append(np.ctypeslib.as_array(lib.llama_get_logits(context), (width,)).copy())
        lib.llama_free(context)
        return np.stack(rows)

    def tokenize(self, text: str, *, special: bool) -> list[int]:
        """Token ids of *text*; *special* adds BOS and EOS as the vocabulary says."""
        encoded = text.encode()
        room = (ctypes.c_int32 * (len(encoded) + 8))()
        count = self.lib.llama_tokenize(
            self._vocab, encoded, len(encoded), room, len(room), special, True
        )
        return list(room[:count])
