"""Small weights with a true header: a pull judges what it brought before it lets it appear."""

from __future__ import annotations

import os
import struct

_ALIGNMENT = 32
_TEXT, _U32 = 8, 4
_I8 = 24


def gguf(size_bytes: int, architecture: str = "llama", kind: str = "model") -> bytes:
    """
    Make a GGUF of exactly *size_bytes* whose one tensor is noise.

    Args:
        size_bytes: at least a kilobyte.
        architecture: `clip` makes a projector.
        kind: `general.type`; `adapter` makes a LoRA adapter.
    """
    metadata = [
        _pair("general.architecture", _TEXT, _text(architecture)),
        _pair("general.type", _TEXT, _text(kind)),
        *(
            _pair(f"{architecture}.{key}", _U32, struct.pack("<I", value))
            for key, value in (
                ("block_count", 4),
                ("context_length", 2048),
                ("embedding_length", 64),
                ("attention.head_count", 4),
            )
        ),
    ]
    head = b"GGUF" + struct.pack("<IQQ", 3, 1, len(metadata)) + b"".join(metadata)
    name = _text("token_embd.weight") + struct.pack("<I", 1)
    # The number of elements stands in the header whose length decides it: its width is fixed.
    begin = len(head) + len(name) + struct.calcsize("<QIQ")
    begin += -begin % _ALIGNMENT
    head += name + struct.pack("<QIQ", size_bytes - begin, _I8, 0)
    return head.ljust(begin, b"\0") + os.urandom(size_bytes - begin)


def _text(text: str) -> bytes:
    return struct.pack("<Q", len(text)) + text.encode()


def _pair(key: str, kind: int, value: bytes) -> bytes:
    return _text(key) + struct.pack("<I", kind) + value
