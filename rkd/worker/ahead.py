"""A worker that was started before its model is known: past its imports, it waits to be told."""

from __future__ import annotations

import socket
from collections.abc import Sequence
from importlib import import_module

from rkd.model import BackendKind
from rkd.wire import codec, frame
from rkd.wire.messages import BecomeFrame

_MODULES = {
    BackendKind.NPU: (
        "rkd.backend.rkllm.backend",
        "rkd.backend.prompt.tokenizer",
        "rkd.backend.prompt.chat",
    ),
    # Not the engine itself: its OpenMP counts the cores when it is loaded, before we know which.
    BackendKind.CPU: ("rkd.backend.llamacpp.backend",),
}
"""What an engine's load would import."""


def told(connection: socket.socket, kind: str) -> Sequence[str] | None:
    """
    Import what the engine of *kind* needs and wait for the rest of the command line.

    No thread is started meanwhile: what is given up afterwards is given up by all.

    Returns:
        None when the daemon is gone, or said something else.
    """
    for module in _MODULES[BackendKind(kind)]:
        import_module(module)
    header = _read(connection, frame.HEADER_BYTES)
    body = _read(connection, int.from_bytes(header, "little")) if header else b""
    try:
        message = codec.read_to_worker(body) if body else None
    except frame.FrameError:
        return None
    return message.options if isinstance(message, BecomeFrame) else None


def _read(connection: socket.socket, wanted: int) -> bytes:
    """*wanted* bytes and no more, for what comes behind them is the loop's; b"" at the end."""
    data = b""
    while len(data) < wanted:
        try:
            more = connection.recv(min(wanted - len(data), 65536))
        except ConnectionResetError:
            return b""
        if not more:
            return b""
        data += more
    return data
