"""
Read a sentencepiece `tokenizer.model`: the few fields of its protobuf that a GGUF needs.

**Source**: `sentencepiece_model.proto` (google/sentencepiece): ModelProto.pieces = 1 {piece 1,
score 2, type 3}, trainer_spec = 2 {model_type 3, unk_id 40, bos_id 41, eos_id 42, pad_id 43},
normalizer_spec = 3 {precompiled_charsmap 2, add_dummy_prefix 3, remove_extra_whitespaces 4}.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Iterator

from rkd.backend.convert.tensors import unsupported
from rkd.backend.convert.vocabulary import MAX_TOKENS, TokenType, Vocabulary

_BPE = 2
_MODEL_TYPES = {1: "unigram", 2: "BPE", 3: "word", 4: "char"}
_KINDS = {
    1: TokenType.NORMAL,
    2: TokenType.UNKNOWN,
    3: TokenType.CONTROL,
    4: TokenType.USER_DEFINED,
    5: TokenType.UNUSED,
    6: TokenType.BYTE,
}
_IDS = {40: "unknown", 41: "bos", 42: "eos", 43: "padding"}
_ID_DEFAULTS = {"unknown": 0, "bos": 1, "eos": 2}
Field = tuple[int, int | bytes]


class NotSentencepieceError(ValueError):
    """The file is no sentencepiece model (Llama 3's `tokenizer.model` is a list of ranks)."""


def read(data: bytes, what: str) -> Vocabulary:
    """
    Return the vocabulary of *data*.

    Raises:
        NotSentencepieceError: *data* is something else.
        InvalidInputError: ARCHITECTURE_UNSUPPORTED: a unigram, word or character model.
    """
    made = Vocabulary("llama", "default", [], [], add_space_prefix=True, ids=dict(_ID_DEFAULTS))
    model_type = 1
    for number, value in _fields(data):
        if not isinstance(value, bytes):
            continue
        if number == 1:
            _piece(made, value)
        elif number == 2:  # noqa: PLR2004 - trainer_spec
            model_type = _trainer(made, value, model_type)
        elif number == 3:  # noqa: PLR2004 - normalizer_spec
            _normalizer(made, value)
    if not made.tokens:
        raise NotSentencepieceError("no pieces")
    if model_type != _BPE:
        kind = _MODEL_TYPES.get(model_type, str(model_type))
        raise unsupported(what, f"its tokenizer.model is of the {kind} kind; BPE is known")
    return made


def _piece(made: Vocabulary, data: bytes) -> None:
    text, score, kind = b"", 0.0, 1
    for number, value in _fields(data):
        match number, value:
            case 1, bytes():
                text = value
            case 2, bytes() if len(value) == 4:  # noqa: PLR2004 - a float
                score = struct.unpack("<f", value)[0]
            case 3, int():
                kind = value
            case _:
                pass
    if len(made.tokens) >= MAX_TOKENS:
        raise NotSentencepieceError(f"more than {MAX_TOKENS} pieces")
    if not math.isfinite(score):
        raise NotSentencepieceError(f"piece {len(made.tokens)} has the score {score}")
    made.put(len(made.tokens), text, _KINDS.get(kind, TokenType.NORMAL), score)


def _trainer(made: Vocabulary, data: bytes, model_type: int) -> int:
    for number, value in _fields(data):
        if number == 3 and isinstance(value, int):  # noqa: PLR2004 - model_type
            model_type = value
        elif number in _IDS and isinstance(value, int):
            # int32 -1 means none, and is written as ten bytes of a 64-bit number.
            if value < 2**31:
                made.ids[_IDS[number]] = value
            else:
                made.ids.pop(_IDS[number], None)
    return model_type


def _normalizer(made: Vocabulary, data: bytes) -> None:
    for number, value in _fields(data):
        if number == 2 and value and not made.warnings:  # noqa: PLR2004 - precompiled_charsmap
            made.warnings.append("its tokenizer normalizes Unicode, which the engine does not")
        elif number == 3 and isinstance(value, int):  # noqa: PLR2004 - add_dummy_prefix
            made.add_space_prefix = bool(value)


def _fields(data: bytes) -> Iterator[Field]:
    """Yield (number, value) of a protobuf message; fixed and delimited values as bytes."""
    at = 0
    while at < len(data):
        tag, at = _varint(data, at)
        wire = tag & 7
        if wire == 0:
            value, at = _varint(data, at)
            yield tag >> 3, value
            continue
        if wire == 2:  # noqa: PLR2004 - delimited
            size, at = _varint(data, at)
        elif wire in {1, 5}:
            size = 8 if wire == 1 else 4
        else:
            raise NotSentencepieceError(f"wire type {wire}")
        if at + size > len(data):
            raise NotSentencepieceError("it ends early")
        yield tag >> 3, data[at : at + size]
        at += size


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 70, 7):
        if at >= len(data):
            raise NotSentencepieceError("it ends early")
        value |= (data[at] & 0x7F) << shift
        at += 1
        if data[at - 1] < 0x80:  # noqa: PLR2004 - the last byte of a number
            return value, at
    raise NotSentencepieceError("a number without end")
