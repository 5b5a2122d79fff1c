"""
Move one file from the hub to the disk, whatever happens on the way, and believe no byte unhashed.

Takes from huggingface_hub the addresses, the headers and the session. The library's own download
keeps nothing between calls, hashes nothing and gives up at a reset (measured with 2.4.0), so the
bytes are moved here. Blocking: one thread per file; `fetching.py` is the asyncio side.
"""

from __future__ import annotations

import contextlib
import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING

from rkd.durable import disk_is_full
from rkd.errors import DataLossError, ExhaustedError, Reason, RkdError
from rkd.hub.address import followed
from rkd.hub.connection import UNBOUNDED, Connection
from rkd.hub.failure import answer_of, cause_of
from rkd.hub.part import Part
from rkd.hub.refusal import RETRIED_STATUSES, refusal, unreachable
from rkd.hub.stop import StopSign
from rkd.hub.writers import Writers

if TYPE_CHECKING:
    import httpx2

_CONTENT = frozenset({HTTPStatus.OK, HTTPStatus.PARTIAL_CONTENT})
_REDIRECTS = 5
_RETRIED_BY_CDN = RETRIED_STATUSES | {
    HTTPStatus.FORBIDDEN,
    HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE,
}
_CONTENT_RANGE = re.compile(r"bytes ([0-9]{1,19})-[0-9]{1,19}/([0-9]{1,19}|\*)")

MOST_SKIPPED_BYTES = 4 << 20
"""Bytes read for nothing where a server knows no ranges."""

FETCHES = 2
"""A file whose digest is wrong is fetched once more from nothing, then given up."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """
    A file of a repository at a commit.

    Args:
        commit: 40 hex digits: bytes at a commit never change, so a part can be gone on with.
        algorithm: `sha256` for large files, `git-sha1` for small ones.
        digest: lower-case hex.
    """

    repository: str
    commit: str
    path: str
    size_bytes: int
    algorithm: str
    digest: str

    def __str__(self) -> str:
        return f"{self.repository}/{self.path}"


@dataclass(frozen=True, slots=True)
class Patience:
    """
    How much trouble a file may make.

    Args:
        waits_s: pauses between tries; their number bounds the tries without progress. The sum is
            over a minute: a router restarts in less.
        progress_bytes: a try that brought this much starts the count anew.
        slow_window_s, slow_bytes: a line that brings less than that in such a time counts as
            broken.
        piece_s: longest time for a piece of a file that is looked into before it is fetched.
    """

    waits_s: tuple[float, ...] = (0.5, 1, 2, 4, 8, 15, 15, 15, 15, 15)
    progress_bytes: int = 64 << 10
    slow_window_s: float = 60.0
    slow_bytes: int = 60 << 10
    piece_s: float = 60.0


class _TroubleError(Exception):
    """A try ended early; another may do better, after *after_s* if the hub said so."""

    def __init__(self, failure: RkdError, *, after_s: float = 0.0) -> None:
        super().__init__(failure.message)
        self.failure = failure
        self.after_s = after_s


class Mover:
    """
    Fetches files over one connection's session; any number of threads at once.

    Args:
        connection: the way to the hub.
        patience: how much trouble a file may make.
    """

    def __init__(self, connection: Connection, *, patience: Patience | None = None) -> None:
        self._connection = connection
        self._patience = patience or Patience()
        self._writers = Writers()

    def fetch(
        self, wanted: Wanted, target: Path, *, progress: Callable[[int], None], stop: StopSign
    ) -> None:
        """
        Bring *wanted* to *target*, which appears only when every byte was hashed and is on disk.

        What arrived is kept in `<target>.part` and gone on with by a later call.

        Args:
            wanted: what to fetch.
            target: where it appears; its folder exists, and no other call writes there.
            progress: told how many bytes are there and hashed, after each chunk; from this thread.
            stop: ends the call early, keeping the part.

        Raises:
            StoppedError: *stop* was set.
            DataLossError: DIGEST_MISMATCH, nothing is kept then.
            ExhaustedError: DISK_FULL.
            PreconditionError: MODEL_BUSY: another call writes there and does not end.
            RkdError: HUB_UNREACHABLE, HUB_GATED, HUB_NOT_FOUND.
        """
        with (
            _disk_full_told(wanted, target),
            self._writers.alone(target, stop),
            Part(
                target, size_bytes=wanted.size_bytes, algorithm=wanted.algorithm, stop=stop
            ) as part,
        ):
            for _ in range(FETCHES):
                self._complete(wanted, part, progress, stop)
                if part.is_good(wanted.digest):
                    stop.check()
                    part.settle()
                    return
                part.restart()
        raise DataLossError(
            Reason.DIGEST_MISMATCH,
            f"{wanted} arrived {FETCHES} times with bytes that are not what the hub announced",
            remedy="Try again later, from another network or without a proxy or mirror between.",
            metadata={"file": wanted.path, "expected": f"{wanted.algorithm}:{wanted.digest}"},
        )

    def read(self, wanted: Wanted, offset_bytes: int, count: int) -> bytes:
        """
        Read a piece of *wanted*, unverified: for looking into a file before it is fetched.

        Raises:
            RkdError: HUB_UNREACHABLE, HUB_GATED, HUB_NOT_FOUND; it is not tried again.
        """
        end = min(offset_bytes + count, wanted.size_bytes)
        found = bytearray()
        try:
            with self._opened(wanted, offset_bytes, end) as response:
                skip = self._skipped(wanted, offset_bytes, response)
                until_s = time.monotonic() + self._patience.piece_s
                for chunk in response.iter_raw():
                    found += chunk
                    if len(found) >= skip + end - offset_bytes:
                        break
                    if time.monotonic() > until_s:
                        raise self._away(wanted, "too slow")
        except _TroubleError as trouble:
            raise trouble.failure from trouble
        return bytes(found[skip : skip + end - offset_bytes])

    def _skipped(self, wanted: Wanted, offset_bytes: int, response: httpx2.Response) -> int:
        """Say how many bytes stand before those asked for: some servers know no ranges."""
        if response.status_code == HTTPStatus.OK:
            if offset_bytes > MOST_SKIPPED_BYTES:
                raise self._away(wanted, "it cannot send a piece of a file")
            return offset_bytes
        range_ = _CONTENT_RANGE.match(response.headers.get("Content-Range", ""))
        if range_ is None or int(range_[1]) != offset_bytes:
            raise _TroubleError(self._unlike(wanted, "another range than asked for"))
        return 0

    def _away(self, wanted: Wanted, cause: str) -> _TroubleError:
        return _TroubleError(unreachable(self._connection.shown, cause, what=str(wanted)))

    def _complete(
        self, wanted: Wanted, part: Part, progress: Callable[[int], None], stop: StopSign
    ) -> None:
        """Fetch until *part* has as many bytes as it should, trying again as long as it helps."""
        tries = 0
        while part.offset_bytes < wanted.size_bytes:
            progress(part.offset_bytes)
            before_bytes = part.offset_bytes
            try:
                self._receive(wanted, part, progress, stop)
            except _TroubleError as trouble:
                stop.check()
                if part.offset_bytes - before_bytes >= self._patience.progress_bytes:
                    tries = 0
                if tries == len(self._patience.waits_s):
                    raise trouble.failure from trouble
                stop.wait(max(self._patience.waits_s[tries], trouble.after_s))
                tries += 1
        progress(part.offset_bytes)

    def _receive(
        self, wanted: Wanted, part: Part, progress: Callable[[int], None], stop: StopSign
    ) -> None:
        """Ask once for the rest of the file and take what comes."""
        stop.check()
        with self._opened(wanted, part.offset_bytes) as response:
            self._begin(wanted, part, response)
            with stop.cutting(response.extensions["network_stream"].get_extra_info("socket")):
                self._drain(wanted, part, response, progress, stop)
        if part.offset_bytes < wanted.size_bytes:
            raise self._away(wanted, "the answer was short")

    def _drain(
        self,
        wanted: Wanted,
        part: Part,
        response: httpx2.Response,
        progress: Callable[[int], None],
        stop: StopSign,
    ) -> None:
        window = Window(self._patience, time.monotonic())
        for chunk in response.iter_raw():
            stop.check()
            if part.offset_bytes + len(chunk) > wanted.size_bytes:
                raise _TroubleError(self._unlike(wanted, "more bytes than it announced"))
            part.append(chunk)
            progress(part.offset_bytes)
            if window.too_slow(len(chunk), time.monotonic()):
                raise self._away(wanted, "too slow")

    def _begin(self, wanted: Wanted, part: Part, response: httpx2.Response) -> None:
        """Look at the final answer before its first byte: is it the rest of this file?"""
        if response.headers.get("Content-Encoding", "identity") != "identity":
            raise _TroubleError(self._unlike(wanted, "an encoding that was not asked for"))
        if response.status_code == HTTPStatus.PARTIAL_CONTENT:
            range_ = _CONTENT_RANGE.match(response.headers.get("Content-Range", ""))
            if range_ is None or int(range_[1]) != part.offset_bytes:
                raise _TroubleError(self._unlike(wanted, "another range than asked for"))
            total = range_[2]
        else:
            total = response.headers.get("Content-Length", "*")
        if total not in {"*", str(wanted.size_bytes)}:
            raise _TroubleError(self._unlike(wanted, f"{total} bytes"))
        if response.status_code == HTTPStatus.OK and part.offset_bytes:
            # The server knows no ranges: what is here cannot be gone on with.
            part.restart()

    @contextlib.contextmanager
    def _opened(
        self, wanted: Wanted, offset_bytes: int, end_bytes: int | None = None
    ) -> Iterator[httpx2.Response]:
        """
        Ask the hub for a fresh address and follow it; yields a 200 or 206 answer.

        Every try starts at the hub, for the signed address of the last one may have expired.
        """
        url = self._connection.resolve_url(wanted.repository, wanted.commit, wanted.path)
        for hop in range(_REDIRECTS + 1):
            headers = self._connection.headers_for(url) | {"Accept-Encoding": "identity"}
            if offset_bytes or end_bytes:
                last = end_bytes - 1 if end_bytes else ""
                headers["Range"] = f"bytes={offset_bytes}-{last}"
            with self._streamed(wanted, url, headers) as response:
                if hop == 0:
                    self._require_hub(wanted, response)
                if not response.has_redirect_location:
                    self._require_content(wanted, response, from_hub=hop == 0)
                    yield response
                    return
                location = response.headers["Location"]
            try:
                url = followed(url, location)
            except ValueError as error:
                raise self._away(wanted, str(error)) from error
        raise self._away(wanted, "too many redirects")

    @contextlib.contextmanager
    def _streamed(
        self, wanted: Wanted, url: str, headers: dict[str, str]
    ) -> Iterator[httpx2.Response]:
        """Ask for *url*; what breaks until its last byte is trouble another try may not have."""
        import httpx2  # noqa: PLC0415 - comes with huggingface_hub, as late as it

        try:
            with self._connection.session().stream(
                "GET",
                url,
                headers=headers,
                follow_redirects=False,
                timeout=self._connection.timeout(),
                extensions={UNBOUNDED: True},
            ) as response:
                yield response
        except (httpx2.RequestError, httpx2.InvalidURL) as error:
            raise self._away(wanted, cause_of(error)) from error

    def _require_hub(self, wanted: Wanted, response: httpx2.Response) -> None:
        """A page of somebody between here and the hub has no commit."""
        good = response.has_redirect_location or response.status_code in _CONTENT
        if good and "X-Repo-Commit" not in response.headers:
            raise self._away(wanted, "something between answers with a page of its own")

    def _require_content(
        self, wanted: Wanted, response: httpx2.Response, *, from_hub: bool
    ) -> None:
        if response.status_code in _CONTENT:
            return
        answer = answer_of(response)
        failure = refusal(
            answer,
            endpoint=self._connection.shown,
            repository=wanted.repository,
            what=str(wanted),
        )
        # From the CDN, 403 means that its signed address expired under way, and 416 that it does
        # not have the whole file yet.
        if answer.status in (RETRIED_STATUSES if from_hub else _RETRIED_BY_CDN):
            raise _TroubleError(failure, after_s=answer.retry_after_s or 0.0)
        raise failure

    def _unlike(self, wanted: Wanted, got: str) -> DataLossError:
        return DataLossError(
            Reason.DIGEST_MISMATCH,
            f"the hub announced {wanted.size_bytes} bytes for {wanted} and sends {got}",
            remedy="Try again later, from another network or without a proxy or mirror between.",
            metadata={"file": wanted.path, "expected_bytes": str(wanted.size_bytes)},
        )


class Window:
    """Notices a line that lives but brings next to nothing."""

    def __init__(self, patience: Patience, now_s: float) -> None:
        self._patience = patience
        self._since_s = now_s
        self._bytes = 0

    def too_slow(self, arrived_bytes: int, now_s: float) -> bool:
        """Take note of a chunk; true when a window is over with too little in it."""
        self._bytes += arrived_bytes
        if now_s - self._since_s < self._patience.slow_window_s:
            return False
        slow = self._bytes < self._patience.slow_bytes
        self._since_s, self._bytes = now_s, 0
        return slow


@contextlib.contextmanager
def _disk_full_told(wanted: Wanted, target: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if not disk_is_full(error):
            raise
        raise ExhaustedError(
            Reason.DISK_FULL,
            f"the disk of {target.parent} is full at {wanted}",
            remedy="Make room (rkctl rm MODEL) and pull again: what is here is not fetched twice.",
            metadata={"file": wanted.path, "needed_bytes": str(wanted.size_bytes)},
        ) from error
