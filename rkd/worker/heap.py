"""What a load leaves behind in the C library's heap, given back to the machine."""

from __future__ import annotations

import ctypes
from contextlib import suppress


def give_back() -> None:
    """
    Return freed memory to the kernel, of every arena; nothing where the C library cannot.

    A tokenizer of 150,000 words with its merges leaves 83 MB of freed pieces after it was read.
    """
    with suppress(AttributeError, OSError):  # musl has none
        ctypes.CDLL(None).malloc_trim(ctypes.c_size_t(0))
