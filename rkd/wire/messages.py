"""
What daemon and worker say to each other: one frozen type a frame, its fields those of `inference`.

Both ends are always of one version (`HelloFrame.protocol` says so), so nothing here is kept
compatible between releases. Life of a worker: it says Hello; the daemon sends Load or Job; the
worker answers Progress …, then Loaded (or JobDone) or Failed; from then on Run, Embed, Rank,
Tokenize, Detokenize and Cancel in any order, several at once, each named by its id. End of file in
either direction is the end of the other side. `codec.py` turns these into bytes.
"""

from __future__ import annotations

from typing import Annotated

import msgspec

from rkd.errors import Reason, RkdError, Violation, from_reason
from rkd.inference import (
    Chunk,
    Embeddings,
    EmbedSpec,
    Loaded,
    LoadProgress,
    LoadSpec,
    Outcome,
    PrefillProgress,
    Ranking,
    RankSpec,
    Run,
)
from rkd.session import Kept
from rkd.tokens import Int32

OWN = 0
"""The id of Hello, and of the load or job itself."""


def _tag(name: str) -> str:
    """`JobDoneFrame` as the docs and the wire call it: `job_done`."""
    words = name.removesuffix("Frame")
    return "".join(f"_{one.lower()}" if one.isupper() else one for one in words).lstrip("_")


class Frame(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag=_tag):
    """
    One frame; goes as an array: tag, id, fields.

    Args:
        id: names the request; every answer carries it.
    """

    id: Annotated[int, msgspec.Meta(ge=0)]


class LoadFrame(Frame, frozen=True):
    """Load a model, once."""

    spec: LoadSpec


class RunFrame(Frame, frozen=True):
    """Generate; answered by chunks and prefills, then Done or Failed."""

    run: Run


class CancelFrame(Frame, frozen=True):
    """Stop the run of this id; the answer is that run's own Done."""


class EmbedFrame(Frame, frozen=True):
    """Vectors for texts."""

    spec: EmbedSpec


class RankFrame(Frame, frozen=True):
    """Scores of documents."""

    spec: RankSpec


class TokenizeFrame(Frame, frozen=True):
    """Text to token ids."""

    text: str
    add_special: bool
    parse_special: bool


class SpellFrame(Frame, frozen=True):
    """The bytes of tokens; a vocabulary loaded without weights answers."""

    token_ids: tuple[Int32, ...]


class DetokenizeFrame(Frame, frozen=True):
    """Token ids to text."""

    token_ids: tuple[Int32, ...]


class JobFrame(Frame, frozen=True):
    """A short-lived task in a child of its own; kinds and arguments are in `worker/jobs.py`."""

    kind: str
    arguments: dict[str, str]


class PingFrame(Frame, frozen=True):
    """Ask for a sign of life."""


class HelloFrame(Frame, frozen=True):
    """First frame of a worker; protocol must equal the daemon's own."""

    protocol: int
    pid: int


class ProgressFrame(Frame, frozen=True):
    """How far the load or job is."""

    progress: LoadProgress


class LoadedFrame(Frame, frozen=True):
    """The load succeeded."""

    loaded: Loaded


class ChunkFrame(Frame, frozen=True):
    """A piece of an answer."""

    chunk: Chunk


class PrefillFrame(Frame, frozen=True):
    """How far the prompt has been read."""

    progress: PrefillProgress


class DoneFrame(Frame, frozen=True):
    """A run ended well."""

    outcome: Outcome


class KeptFrame(Frame, frozen=True):
    """Behind a Done that says so: what was written of the run's conversation."""

    kept: Kept


class FailedFrame(Frame, frozen=True):
    """A load, run or job failed: everything its error says."""

    reason: Reason
    message: str
    remedy: str
    metadata: dict[str, str]
    retry_after_s: float | None
    violations: tuple[Violation, ...]

    @classmethod
    def of(cls, request_id: int, error: RkdError) -> FailedFrame:
        """Tell *error* as the answer to *request_id*."""
        return cls(
            request_id,
            error.reason,
            error.message,
            error.remedy,
            error.metadata,
            error.retry_after_s,
            error.violations,
        )

    def error(self) -> RkdError:
        """Make the error anew, of the class that owns its reason."""
        return from_reason(
            self.reason,
            self.message,
            remedy=self.remedy,
            metadata=self.metadata,
            retry_after_s=self.retry_after_s,
            violations=self.violations,
        )


class EmbeddedFrame(Frame, frozen=True):
    """Answer to Embed."""

    embeddings: Embeddings


class RankedFrame(Frame, frozen=True):
    """Answer to Rank."""

    ranking: Ranking


class TokenizedFrame(Frame, frozen=True):
    """Answer to Tokenize."""

    token_ids: tuple[Int32, ...]


class SpelledFrame(Frame, frozen=True):
    """Answer to Spell: one a token, in order."""

    pieces: tuple[bytes, ...]


class DetokenizedFrame(Frame, frozen=True):
    """Answer to Detokenize."""

    text: str


class JobDoneFrame(Frame, frozen=True):
    """The job is done; results are in `worker/jobs.py`."""

    results: dict[str, str]


class PongFrame(Frame, frozen=True):
    """The sign of life, from the thread that reads."""


class BecomeFrame(Frame, frozen=True):
    """To a worker started before its model was known, and once: the rest of its command line."""

    options: tuple[str, ...]


ToWorker = (
    LoadFrame
    | RunFrame
    | CancelFrame
    | EmbedFrame
    | RankFrame
    | TokenizeFrame
    | SpellFrame
    | DetokenizeFrame
    | JobFrame
    | PingFrame
    | BecomeFrame
)
FromWorker = (
    HelloFrame
    | ProgressFrame
    | LoadedFrame
    | ChunkFrame
    | PrefillFrame
    | DoneFrame
    | KeptFrame
    | FailedFrame
    | EmbeddedFrame
    | RankedFrame
    | TokenizedFrame
    | SpelledFrame
    | DetokenizedFrame
    | JobDoneFrame
    | PongFrame
)
