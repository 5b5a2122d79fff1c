"""Generated from rkd/v1/inference.proto by tests/value_types.py; never edited."""

from __future__ import annotations

from dataclasses import dataclass

from rkd_client.v1 import types


@dataclass(frozen=True, slots=True)
class GenerateResponse:
    """One event of a generation."""

    sequence: int = 0
    """Counts the events of the stream from 0."""

    accepted: types.Accepted | None = None
    """First of all."""

    queued: types.Queued | None = None
    """Waiting."""

    loading: types.Loading | None = None
    """Making the model resident."""

    prefill: types.Prefill | None = None
    """Reading the prompt."""

    delta: types.Delta | None = None
    """A piece of the answer."""

    finished: types.Finished | None = None
    """Last of all."""


@dataclass(frozen=True, slots=True)
class ChatResponse:
    """One event of a chat answer."""

    sequence: int = 0
    """Counts the events of the stream from 0."""

    accepted: types.Accepted | None = None
    """First of all."""

    queued: types.Queued | None = None
    """Waiting."""

    loading: types.Loading | None = None
    """Making the model resident."""

    prefill: types.Prefill | None = None
    """Reading the prompt."""

    delta: types.Delta | None = None
    """A piece of the answer."""

    finished: types.Finished | None = None
    """Last of all."""


@dataclass(frozen=True, slots=True)
class Embedding:
    """A vector."""

    values: tuple[float, ...] = ()
    """Its components."""


@dataclass(frozen=True, slots=True)
class EmbedResponse:
    """The vectors."""

    embeddings: tuple[Embedding, ...] = ()
    """One for each input, in order."""

    usage: types.Usage = types.Usage()
    """Tokens read."""

    backend: types.Backend = ""
    """Where it ran."""


@dataclass(frozen=True, slots=True)
class RankedDocument:
    """A document with its score."""

    index: int = 0
    """Its place among the request's documents, from 0."""

    score: float = 0.0
    """The higher, the more relevant; see `normalize`. Scores of different models do not compare."""


@dataclass(frozen=True, slots=True)
class RerankResponse:
    """The documents, best first; those of equal score in the request's order."""

    results: tuple[RankedDocument, ...] = ()
    """At most `top_n`."""

    usage: types.Usage = types.Usage()
    """Tokens read: of the query with each document."""

    backend: types.Backend = ""
    """Where it ran."""


@dataclass(frozen=True, slots=True)
class TokenizeResponse:
    """The token ids."""

    token_ids: tuple[int, ...] = ()
    """In order."""

    count: int = 0
    """How many."""

    pieces: tuple[bytes, ...] = ()
    """The bytes of each, in order: with `with_pieces`. A character may be parted among tokens; blanks a tokenizer puts before a text are among them."""


@dataclass(frozen=True, slots=True)
class DetokenizeResponse:
    """The text."""

    text: str = ""
    """Bytes that are no whole character are U+FFFD."""

    data: bytes = b""
    """The bytes of the tokens, whole characters or not: with `with_data`."""


@dataclass(frozen=True, slots=True)
class CancelResponse:
    """What was stopped."""

    cancelled: tuple[str, ...] = ()
    """Those found and told to stop; the others had ended or never were."""
