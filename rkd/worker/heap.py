"""What a load leaves behind in the C library's heap, given back to the machine."""

from __future__ import annotations

import ctypes
import gc
from contextlib import suppress

_M_ARENA_MAX = -8
"""**Source:** mallopt(3), malloc.h of the GNU C library."""


def share_one() -> None:
    """
    Let all threads to come take memory from one heap; nothing where the C library has no others.

    Of a heap of its own each thread leaves holes that no other fills; here one thread works at a
    time.
    """
    with suppress(AttributeError, OSError):  # musl has none
        ctypes.CDLL(None).mallopt(_M_ARENA_MAX, 1)


def give_back() -> None:
    """
    Return freed memory to the kernel, of every arena; nothing where the C library cannot.

    A tokenizer of 150,000 words with its merges leaves 83 MB of freed pieces after it was read.
    """
    gc.collect()
    with suppress(AttributeError, OSError):  # musl has none
        ctypes.CDLL(None).malloc_trim(ctypes.c_size_t(0))
