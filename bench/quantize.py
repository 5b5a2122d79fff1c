"""
Size, time, perplexity and divergence of every quantization rkd makes, on one model and one text.

    python bench/quantize.py model-f16.gguf [--tokens 1024] [--threads 2] [--text FILE]

The F16 file is the peer: perplexities are given as ratios to its own, on the same tokens, and
divergence (KL, nats a token) is from its probabilities, which noise in the text cannot flatter.
A file that is quantized already is first unpacked to F16 (with the gguf package), and said to be;
its weights then lie on its own type's grid, which that type and its kin meet exactly and others do
not: the order of types says something only for a model never rounded (`little_model.py`).
"""

from __future__ import annotations

import argparse
import ctypes
import math
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt
from gguf import GGMLQuantizationType
from gguf.quants import dequantize

from rkd.backend.quantize import gguf_write, mix, packed, quantize
from rkd.backend.quantize.ggml import Ggml, engine_library
from rkd.weights import gguf

ROOT = Path(__file__).resolve().parents[1]
WINDOW = 256
COMPARED = 1024


class _Opaque(ctypes.Structure):
    """Room for any parameter struct of llama.h; passed and returned in memory."""

    _fields_ = (("room", ctypes.c_uint8 * 1024),)


class _Batch(ctypes.Structure):
    """`struct llama_batch` of llama.h, with room behind it."""

    _fields_ = (
        ("n_tokens", ctypes.c_int32),
        ("token", ctypes.POINTER(ctypes.c_int32)),
        ("embd", ctypes.c_void_p),
        ("pos", ctypes.POINTER(ctypes.c_int32)),
        ("n_seq_id", ctypes.POINTER(ctypes.c_int32)),
        ("seq_id", ctypes.POINTER(ctypes.POINTER(ctypes.c_int32))),
        ("logits", ctypes.POINTER(ctypes.c_int8)),
        ("room", ctypes.c_uint8 * 512),
    )


_Log = ctypes.CFUNCTYPE(None, ctypes.c_int, ctypes.c_char_p, ctypes.c_void_p)
_quiet = _Log(lambda *_: None)


def engine() -> ctypes.CDLL:
    """The engine's library with the functions this script calls declared."""
    lib = ctypes.CDLL(str(engine_library()))
    pointer, number = ctypes.c_void_p, ctypes.c_int32
    for name, result, arguments in (
        ("llama_log_set", None, (_Log, pointer)),
        ("llama_model_default_params", _Opaque, ()),
        ("llama_context_default_params", _Opaque, ()),
        ("llama_model_load_from_file", pointer, (ctypes.c_char_p, _Opaque)),
        ("llama_model_free", None, (pointer,)),
        ("llama_init_from_model", pointer, (pointer, _Opaque)),
        ("llama_free", None, (pointer,)),
        ("llama_model_get_vocab", pointer, (pointer,)),
        ("llama_vocab_n_tokens", number, (pointer,)),
        ("llama_batch_init", _Batch, (number, number, number)),
        ("llama_decode", number, (pointer, _Batch)),
        ("llama_get_logits_ith", ctypes.POINTER(ctypes.c_float), (pointer, number)),
        (
            "llama_tokenize",
            number,
            (pointer, ctypes.c_char_p, number, pointer, number, *[ctypes.c_bool] * 2),
        ),
    ):
        function = getattr(lib, name)
        function.restype, function.argtypes = result, arguments
    lib.llama_log_set(_quiet, None)
    lib.llama_backend_init()
    return lib


@dataclass(slots=True)
class Reading:
    """How a model read the text: its surprise, and its log-probabilities at the first places."""

    surprise: float = 0.0
    tokens: int = 0
    log_probabilities: list[npt.NDArray[np.float32]] = field(default_factory=list)

    @property
    def perplexity(self) -> float:
        """Exp of the mean surprise."""
        return math.exp(self.surprise / self.tokens)

    def divergence(self, other: Reading) -> float:
        """Mean Kullback-Leibler divergence of *other* from this one, in nats a token."""
        pairs = zip(self.log_probabilities, other.log_probabilities, strict=True)
        return float(np.mean([np.sum(np.exp(p) * (p - q)) for p, q in pairs]))


def read(lib: ctypes.CDLL, path: Path, text: str, tokens: int) -> Reading:
    """Read *text* in windows; the second half of each window counts."""
    model = lib.llama_model_load_from_file(str(path).encode(), lib.llama_model_default_params())
    assert model
    vocabulary = lib.llama_model_get_vocab(model)
    width = lib.llama_vocab_n_tokens(vocabulary)
    encoded = text.encode()
    room = (ctypes.c_int32 * (len(encoded) + 8))()
    count = lib.llama_tokenize(vocabulary, encoded, len(encoded), room, len(room), False, False)
    ids = list(room[: min(count, tokens)])
    found = Reading()
    for first in range(0, len(ids) - WINDOW + 1, WINDOW):
        context = lib.llama_init_from_model(model, lib.llama_context_default_params())
        batch = lib.llama_batch_init(WINDOW, 0, 1)
        batch.n_tokens = WINDOW
        for place, token in enumerate(ids[first : first + WINDOW]):
            batch.token[place], batch.pos[place] = token, place
            batch.n_seq_id[place], batch.seq_id[place][0] = 1, 0
            batch.logits[place] = place >= WINDOW // 2 - 1
        assert lib.llama_decode(context, batch) == 0
        for place in range(WINDOW // 2 - 1, WINDOW - 1):
            row = np.ctypeslib.as_array(lib.llama_get_logits_ith(context, place), (width,))
            row = row.astype(np.float64)
            row -= row.max() + math.log(np.exp(row - row.max()).sum())
            found.surprise -= row[ids[first + place + 1]]
            found.tokens += 1
            if len(found.log_probabilities) < COMPARED:
                found.log_probabilities.append(row.astype(np.float32))
        lib.llama_free(context)
    lib.llama_model_free(model)
    return found


def unpacked(source: Path, target: Path) -> bool:
    """Write *source* as F16 to *target* if its matrices are blocks; tell whether that was so."""
    header = gguf.read_header(source)
    if all(tensor.type in {0, 1, 30} for tensor in header.tensors):
        return False
    data = np.memmap(source, np.uint8, "r")
    kinds = [(t.name, t.shape, 1 if len(t.shape) > 1 else 0) for t in header.tensors]
    rows = gguf_write.place(kinds, header.alignment)
    pairs = [bytes(data[a:b]) for k, (a, b) in header.spans.items() if k != "general.file_type"]
    pairs.append(gguf_write.pair("general.file_type", 1))
    tool = Ggml(engine_library())
    with target.open("wb") as out:
        out.write(gguf_write.head(pairs, rows, header.alignment))
        for old, row in zip(header.tensors, rows, strict=True):
            start = header.data_offset + old.offset
            raw = data[start : start + old.size_bytes]
            kind = GGMLQuantizationType(old.type)
            values = raw.view(np.float32) if old.type == 0 else dequantize(raw, kind)
            out.write(packed(values.astype(np.float32), row.kind, tool))
            out.write(bytes(gguf_write.padding(row.size_bytes, header.alignment)))
    return True


def main() -> None:
    """Print one line a type."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", type=Path)
    parser.add_argument("--tokens", type=int, default=1024)
    parser.add_argument("--text", type=Path, default=ROOT / "LICENSE")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--types", default=",".join(mix.BASE))
    given = parser.parse_args()
    lib, tool = engine(), Ggml(engine_library())
    text = given.text.read_text(encoding="utf-8")
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "source.gguf"
        if unpacked(given.model, source):
            print(f"{given.model.name} was quantized: unpacked to F16 first")
        else:
            source = given.model
        base = read(lib, source, text, given.tokens)
        whole = source.stat().st_size
        print(
            f"source: {whole / 1e6:.1f} MB, perplexity {base.perplexity:.4f}, {base.tokens} tokens"
        )
        print(f"{'type':8} {'MB':>7} {'of F16':>7} {'s':>6} {'ratio':>7} {'KL':>9}")
        for wanted in given.types.split(","):
            target = Path(folder) / "target.gguf"
            start = time.perf_counter()
            made = quantize(
                source, target, wanted, tool, threads=given.threads, progress=lambda *_: None
            )
            took = time.perf_counter() - start
            found = read(lib, target, text, given.tokens)
            ratio = found.perplexity / base.perplexity
            size, share = made.size_bytes / 1e6, made.size_bytes / whole
            row = f"{wanted:8} {size:7.1f} {share:7.3f} {took:6.1f} {ratio:7.4f}"
            row += f" {base.divergence(found):9.6f}"
            print(row, flush=True)


if __name__ == "__main__":
    main()
