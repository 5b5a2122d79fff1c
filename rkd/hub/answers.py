"""
Answers of the hub, believed as little as anything from outside: bounded in bytes and in time.

A body is read and unpacked piece by piece, so that a small one that unpacks to gigabytes ends at
its bound. Blocking.
"""

from __future__ import annotations

import time
import zlib
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from rkd import shape
from rkd.outside import quoted

if TYPE_CHECKING:
    import httpx2

LARGEST_BYTES = 16 << 20
"""Of one answer: a list of 200 repositories with all their files has 1 to 3 MB."""

LONGEST_S = 120.0
"""From the question to the last byte of its answer, however slowly the bytes come."""

_EXPLAINED_BYTES = 64 << 10
_ENCODINGS = frozenset({"", "identity", "gzip"})
_GZIP = 16 + zlib.MAX_WBITS


def body_of(response: httpx2.Response, *, most_bytes: int = LARGEST_BYTES) -> bytes:
    """
    Read the body of *response*, opened to be streamed.

    Raises:
        UnlikeError: it is too large, comes too slowly, or is packed in another way than asked for.
        httpx2.RequestError: the connection broke.
    """
    until_s = time.monotonic() + LONGEST_S
    encoding = response.headers.get("Content-Encoding", "").strip().lower()
    if encoding not in _ENCODINGS:
        raise shape.UnlikeError("packed in a way that was not asked for")
    unpack = zlib.decompressobj(_GZIP) if encoding == "gzip" else None
    found = bytearray()
    for chunk in response.iter_raw():
        found += _unpacked(unpack, chunk, most_bytes + 1 - len(found)) if unpack else chunk
        if len(found) > most_bytes:
            raise shape.UnlikeError(f"more than {most_bytes >> 20} MiB")
        if time.monotonic() > until_s:
            raise shape.UnlikeError(f"not whole after {LONGEST_S:.0f} s")
    return bytes(found)


def explanation_of(response: httpx2.Response) -> str:
    """Find the hub's own words about a refusal, bounded; "" where it says none."""
    told = response.headers.get("X-Error-Message", "")
    if told:
        return quoted(told)[1:-1]
    try:
        content = response.content if response.is_stream_consumed else body_of(response)
        error = shape.record(shape.parse(content, most_bytes=_EXPLAINED_BYTES)).get("error")
        return quoted(shape.text(error, most_bytes=_EXPLAINED_BYTES))[1:-1]
    except shape.UnlikeError:
        return ""


def bound(response: httpx2.Response) -> None:
    """
    Bound an answer that somebody else will read whole: its bytes, their time, its orders to wait.

    A hook of the session; called before a byte of the body is read.

    Raises:
        httpx2.DecodingError: it is packed, though nothing of the kind was asked for.
    """
    import httpx2  # noqa: PLC0415 - comes with huggingface_hub, as late as it

    # The library would sleep for as long as they say.
    for name in ("Retry-After", "RateLimit", "RateLimit-Policy"):
        if name in response.headers:
            del response.headers[name]
    if response.headers.get("Content-Encoding", "identity").lower() != "identity":
        raise httpx2.DecodingError("packed in a way that was not asked for")
    response.stream = _stream(response.stream)


def _stream(inner: Any) -> Any:
    """Wrap a stream of bytes; its class is the library's, known once that is imported."""
    import httpx2  # noqa: PLC0415 - comes with huggingface_hub, as late as it

    class Stream(httpx2.SyncByteStream):
        """A body that ends at its bounds."""

        def __iter__(self) -> Iterator[bytes]:
            until_s, arrived_bytes = time.monotonic() + LONGEST_S, 0
            for chunk in inner:
                arrived_bytes += len(chunk)
                if arrived_bytes > LARGEST_BYTES or time.monotonic() > until_s:
                    raise httpx2.DecodingError("longer than any answer of a hub")
                yield chunk

        def close(self) -> None:
            inner.close()

    return Stream()


def _unpacked(unpack: zlib._Decompress, chunk: bytes, most_bytes: int) -> bytes:
    try:
        return unpack.decompress(chunk, max(1, most_bytes))
    except zlib.error:
        raise shape.UnlikeError("packed in a way that cannot be read") from None
