"""The cache of a named conversation on disk, as daemon and worker tell each other of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from msgspec import Meta

Amount = Annotated[int, Meta(ge=0)]
"""Bytes or tokens."""


@dataclass(frozen=True, slots=True)
class SessionFile:
    """
    The cache of a named conversation on disk, as a worker is told of it.

    Args:
        key: names the conversation, whoever's it is.
        name: of the file the run's own is to be written to, in the worker's folder.
        most_tokens: of a longer one none is written.
        path: absolute path of what an earlier run left, or "".
        sha256: of its content; it is not read when it has another.
        tokens: how long a conversation it is.
        prefix: what the backend said of it when it was written.
    """

    key: str
    name: str
    most_tokens: Amount = 0
    path: str = ""
    sha256: str = ""
    tokens: Amount = 0
    prefix: str = ""


@dataclass(frozen=True, slots=True)
class Kept:
    """
    What was written of a conversation; nothing when it has no bytes.

    Args:
        prefix: what the backend wants to be told when the file is offered to it again.
    """

    size_bytes: Amount = 0
    sha256: str = ""
    tokens: Amount = 0
    prefix: str = ""
