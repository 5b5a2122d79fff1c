"""
The one interface every engine answers to, called by the worker's loop in the child process.

Every implementation passes `tests/contract/backend_suite.py`, directly and through a worker.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from typing import Final, Protocol, TypeVar, runtime_checkable

from rkd.errors import InternalError, Reason
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

Item = TypeVar("Item")

Emit = Callable[[Chunk | PrefillProgress], None]
"""Takes one piece of an answer; called on any one thread at a time; never raises."""


class RunHandle(Protocol):
    """Whether a run is still wanted; set from the worker's reading thread."""

    @property
    def cancelled(self) -> bool:
        """True once nobody wants the run's tokens any more."""

    def on_cancel(self, act: Callable[[], None]) -> None:
        """
        Call *act* when the run is cancelled, at once if it already is.

        It is called from another thread than `run`'s and must return quickly: close a connection,
        call the engine's abort.
        """


class Awaited:
    """The handle of a call that is wanted to its end."""

    cancelled: Final = False

    def on_cancel(self, act: Callable[[], None]) -> None:
        """Never call *act*."""


WANTED: Final = Awaited()


def check_wanted(handle: RunHandle) -> None:
    """
    Go no further with a call that nobody waits for.

    Raises:
        InternalError: *handle* was cancelled; nobody hears it.
    """
    if handle.cancelled:
        raise InternalError(Reason.INTERNAL, "Nobody waits for this call any more.")


def wanted(items: Iterable[Item], handle: RunHandle) -> Iterator[Item]:
    """Yield *items* one by one; raises as `check_wanted`."""
    for item in items:
        check_wanted(handle)
        yield item


@runtime_checkable
class Spells(Protocol):
    """What can tell the bytes of single tokens: vocabularies loaded without weights."""

    def spell(self, token_ids: tuple[int, ...]) -> tuple[bytes, ...]:
        """
        Return the bytes of each token; those of special ones too.

        Raises:
            InvalidInputError: INVALID_FIELD, the model has no such token.
        """


@runtime_checkable
class WatchesItself(Protocol):
    """A backend whose engine may be a process of its own, which watches its own cores."""

    @property
    def watches(self) -> Callable[[], AbstractContextManager[None]] | None:
        """Entered around what is computed, once it is loaded; None: it computes in ours."""


class Backend(Protocol):
    """
    An engine holding at most one model.

    Threads: `load` once, from the main thread; then `run`, `embed`, `rank`, `tokenize`,
    `detokenize` from any thread, as many at once as `Loaded.slots` says, further ones wait inside;
    `close` last.
    Every method raises `rkd.errors.RkdError` for what a user can cause and lets defects raise.
    """

    def load(self, spec: LoadSpec, progress: Callable[[LoadProgress], None]) -> Loaded:
        """
        Load the weights; returns when the model can answer.

        Raises:
            PreconditionError: LOAD_FAILED with the engine's own words, RUNTIME_MISMATCH,
                NPU_UNAVAILABLE, PLATFORM_MISMATCH.
        """

    def run(self, run: Run, handle: RunHandle, emit: Emit) -> Outcome:
        """
        Generate; returns when the engine is done with this run and its slot is free.

        A cancelled run returns FinishReason.CANCELLED within one token (or the engine's own
        bound), and emits nothing after `handle.cancelled` was seen.

        Raises:
            BeyondRangeError: CONTEXT_LENGTH_EXCEEDED.
            PreconditionError: CAPABILITY_UNSUPPORTED.
            InvalidInputError: INVALID_FIELD, for a grammar or template the engine refuses.
        """

    def keep(self, run: Run) -> Kept:
        """
        Write the cache of the conversation of *run*, whose outcome said `keeping`.

        Called once, on the run's thread, before anything else of the run's slot; that is free
        when it returns. The file is ours to take then, or there is none. What stands in the way
        (no room, too slow a disk) costs the file and nothing else.
        """

    def embed(self, spec: EmbedSpec, handle: RunHandle = WANTED) -> Embeddings:
        """
        Embed texts.

        Raises:
            PreconditionError: CAPABILITY_UNSUPPORTED.
            BeyondRangeError: CONTEXT_LENGTH_EXCEEDED, naming the text.
            InternalError: *handle* was cancelled; within one text, or the engine's own bound.
        """

    def rank(self, spec: RankSpec, handle: RunHandle = WANTED) -> Ranking:
        """
        Score documents against a query.

        Raises:
            InternalError: as `embed`.
            PreconditionError: CAPABILITY_UNSUPPORTED, the model is not made for it.
            BeyondRangeError: CONTEXT_LENGTH_EXCEEDED, naming `query` or the document.
        """

    def tokenize(self, text: str, *, add_special: bool, parse_special: bool) -> tuple[int, ...]:
        """Turn text into token ids."""

    def detokenize(self, token_ids: tuple[int, ...]) -> str:
        """Turn token ids into text; bytes that are no UTF-8 become U+FFFD."""

    def close(self) -> None:
        """Give everything back; safe to call twice and after a failed load."""
