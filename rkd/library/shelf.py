"""
What is seen of the models on disk: a snapshot for everybody, and when it is taken anew.

Reading never waits. Whatever touches the disk runs in the thread `rkd-library`, one thing at a
time, so a scan never sees half of a commit. Everything else here runs on the event loop.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import ParamSpec, TypeVar

import structlog

from rkd.durable import Step, no_step
from rkd.errors import RkdError
from rkd.events import Publish
from rkd.library import changes, naming, refusals
from rkd.library.arrival import CLOSED_QUIET_S, QUIET_S, Sightings
from rkd.library.blobs import RESERVE_BYTES, Blobs
from rkd.library.disk import Disk, Start
from rkd.library.header import is_short
from rkd.library.integrity import Advance
from rkd.library.layout import Cause, format_of, model_name, name_for
from rkd.library.migrate import MigrationOutcome
from rkd.library.scan import Snapshot
from rkd.model import Model, ModelName, ModelState

_log = structlog.get_logger(__name__)
_P = ParamSpec("_P")
_T = TypeVar("_T")

_PASSING = frozenset({Cause.INCOMING, Cause.HIDDEN})
"""Why a file is left that somebody is still bringing: no news for the log."""

CURRENT_S = 3.0
"""So long a list waits for a look at the disk; then it tells what is known. One folder with
absurd files may take longer, and never holds the others up."""

LONG_AT_ONCE = 2
"""Models hashed or copied at once; more wait. A disk gains nothing from more, and the threads
others wait for are not taken."""

DEBOUNCE_S = 0.1
"""Events of one copy come in crowds; this long they are collected before the disk is looked at."""


class Shelf:
    """
    All models of one folder as they are seen; `Library` is the one that changes them, too.

    Args:
        root: the models folder; made by `start` if missing.
        publish: where changes are announced.
        reserve_bytes: disk space that uploads leave free.
        sightings: what is known of files that arrive.
        step: called before each change on disk.
    """

    def __init__(
        self,
        root: Path,
        *,
        publish: Publish,
        reserve_bytes: int = RESERVE_BYTES,
        sightings: Sightings | None = None,
        step: Step = no_step,
    ) -> None:
        self.root = root
        self.blobs = Blobs(
            root,
            known=self._file_of,
            reserve_bytes=reserve_bytes,
            check_writable=self._check_writable,
            step=step,
        )
        self._disk = Disk(
            root,
            blobs=self.blobs,
            sightings=sightings or Sightings(is_short=is_short),
            step=step,
        )
        self._publish = publish
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="rkd-library")
        self._long = ThreadPoolExecutor(LONG_AT_ONCE, thread_name_prefix="rkd-library-long")
        self._snapshot = Snapshot()
        self._woken = asyncio.Event()
        self._touched: set[str] | None = set()
        self._closed: set[Path] = set()
        self._follower: asyncio.Task[None] | None = None
        self._looking = asyncio.Lock()
        self._looks: set[asyncio.Task[None]] = set()
        self._trouble = ""

    @property
    def snapshot(self) -> Snapshot:
        """What the last look at the disk found."""
        return self._snapshot

    def models(self) -> tuple[Model, ...]:
        """Every model, sorted by name, from the snapshot."""
        return self._snapshot.models()

    def find(self, name: ModelName) -> Model:
        """
        Return the model *name* in whatever state.

        Raises:
            NotFoundError: MODEL_NOT_FOUND.
        """
        described = self._snapshot.by_key.get(name.key)
        if described is None:
            left = (one for one in self._snapshot.left if _would_be(one.name) == name.key)
            raise refusals.not_found(name, next(left, None))
        return described.model

    def get(self, name: ModelName) -> Model:
        """
        Return the model *name*, ready to be loaded.

        Raises:
            NotFoundError: MODEL_NOT_FOUND.
            PreconditionError: MODELFILE_MISSING, MODEL_INCOMPLETE.
            InvalidInputError: INVALID_MODELFILE.
        """
        model = self.find(name)
        refuse = self._snapshot.by_key[name.key].refuse
        if refuse is not None:
            raise refuse()
        if model.state is ModelState.INCOMING:
            raise refusals.incoming(name)
        return model

    def named(self, text: str, *, field_name: str = "model") -> ModelName:
        """
        Return the name *text* means: itself, or that of the one model a tag leads to.

        Raises:
            InvalidInputError: INVALID_NAME.
            NotFoundError: MODEL_NOT_FOUND, for a repository nothing was pulled from.
        """
        return naming.meant(text, self.models(), field_name=field_name)

    def is_derived(self, name: ModelName) -> bool:
        """Whether the Modelfile of *name* is made from its weights and not on disk."""
        described = self._snapshot.by_key.get(name.key)
        return described is not None and described.derived

    async def resolve(self, name: ModelName) -> Model:
        """Return what `get` returns, after another look at the disk if it is not there yet."""
        await self.look_for(name)
        return self.get(name)

    async def look_for(self, name: ModelName) -> None:
        """
        Look at the disk again unless the model *name* is known and ready.

        One that only has to be quiet for a moment is waited for, QUIET_S at most.
        """
        described = self._snapshot.by_key.get(name.key)
        if described is not None and described.sketched:
            await self.refresh(frozenset({described.model.folder.name}))
            described = self._snapshot.by_key.get(name.key)
        if described is not None and described.model.state is ModelState.READY:
            return
        described = (await self.current()).by_key.get(name.key)
        if described is not None and described.recheck_s:
            await asyncio.sleep(min(QUIET_S, described.recheck_s))
            await self._catch_up()

    async def start(self, *, keep: frozenset[str] = frozenset()) -> None:
        """
        Finish what an earlier daemon began, migrate, look at everything, and begin to follow.

        Args:
            keep: identities of stages that operations will go on with.

        Raises:
            InternalError: the models folder cannot be made or read.
        """
        start = await self._on_disk(self._disk.recover, keep)
        _tell(start, self.root)
        await self.refresh()
        await self._settle()
        self._follower = asyncio.create_task(self._follow(), name="rkd-library-follow")

    async def close(self) -> None:
        """Stop following; what the thread is doing is finished first."""
        for task in (self._follower, *self._looks):
            if task is not None:
                task.cancel()
                await asyncio.wait({task})
        await asyncio.to_thread(self._thread.shutdown, wait=True, cancel_futures=True)
        await asyncio.to_thread(self._long.shutdown, wait=True, cancel_futures=True)
        self._disk.close()

    def changed(self, names: frozenset[str] | None, closed: frozenset[Path] = frozenset()) -> None:
        """
        Take note that something happened in the folder; looks at it soon.

        Args:
            names: entries of the models folder; None when it may be any.
            closed: files whose writer closed them or renamed them into place.
        """
        if names is None or self._touched is None:
            self._touched = None
        else:
            self._touched |= names
        self._closed |= closed
        self._woken.set()

    async def refresh(self, touched: frozenset[str] | None = None) -> MigrationOutcome:
        """
        Look at the disk now; what lies flat is migrated first.

        Args:
            touched: names of folders that may have changed; None looks at every folder.

        Raises:
            InternalError: the models folder cannot be read.
        """
        async with self._looking:  # two at once would each start from what was before both
            closed, self._closed = frozenset(self._closed), set()
            try:
                outcome, after = await self._on_disk(
                    self._disk.survey, self._snapshot, touched, closed
                )
            except BaseException:  # what was to be looked at has not been
                self.changed(None, closed)
                raise
            for move in outcome.moved:
                _log.info("library.migrated", source=move.name, folder=move.folder)
                self._publish(changes.migrated(move))
            before, self._snapshot = self._snapshot, after
            for event in changes.between(before, after):
                self._publish(event)
            for left in set(after.left) - set(before.left):
                level = logging.DEBUG if left.cause in _PASSING else logging.WARNING
                _log.log(
                    level,
                    "library.left_alone",
                    name=left.name,
                    cause=str(left.cause),
                    why=left.text,
                )
            return outcome

    async def current(self) -> Snapshot:
        """
        Return a snapshot that knows of everything in the models folder itself.

        Costs one stat when nothing changed there. A file that was closed a moment ago is waited
        for, CLOSED_QUIET_S at most; a look that takes longer than CURRENT_S, or fails, is not.
        """
        root_ns = await asyncio.to_thread(_changed_ns, self.root)
        if root_ns != self._snapshot.root_ns or self._touched != set():
            look = asyncio.create_task(self._catch_up(), name="rkd-library-look")
            self._looks.add(look)
            look.add_done_callback(self._looked)
            await asyncio.wait({look}, timeout=CURRENT_S)
        await self._settle()
        return self._snapshot

    async def _settle(self) -> None:
        """Wait for files that were closed a moment ago; twice at most, others arrive meanwhile."""
        for _ in range(2):
            wait_s = self._snapshot.recheck_s
            if wait_s is None or wait_s > CLOSED_QUIET_S:
                return
            await asyncio.sleep(wait_s)
            await self._catch_up()

    async def _catch_up(self) -> None:
        touched = None if self._touched is None else frozenset(self._touched)
        self._touched = set()
        await self.refresh(touched)

    async def _follow(self) -> None:
        """Look at the disk whenever something happened there, or an incoming file may be whole."""
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._recheck_s()):
                    await self._woken.wait()
            await asyncio.sleep(DEBOUNCE_S)
            self._woken.clear()
            try:
                await self._catch_up()
            except Exception as error:  # noqa: BLE001 - whoever follows goes on following
                self._failed(error)
                await asyncio.sleep(QUIET_S)

    def _looked(self, look: asyncio.Task[None]) -> None:
        """Take note of a look that somebody asked for and nobody may be waiting for any more."""
        self._looks.discard(look)
        error = None if look.cancelled() else look.exception()
        if error is not None:
            self._failed(error)

    def _failed(self, error: BaseException) -> None:
        """Say once that the folder cannot be looked at; what was known is told meanwhile."""
        trouble = str(error)
        if trouble == self._trouble:
            return
        self._trouble = trouble
        if isinstance(error, RkdError):
            _log.error("library.unreadable", folder=str(self.root), why=error.message)
        else:
            _log.error("library.defect", exc_info=error)

    def _recheck_s(self) -> float | None:
        if not self._snapshot.whole:
            return 0.0
        arriving = any(model.state is ModelState.INCOMING for model in self.models())
        return self._snapshot.recheck_s or (QUIET_S if arriving else None)

    async def _on_disk(self, work: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs) -> _T:
        """Run *work* in the library's thread; errors of the disk become ours."""
        loop = asyncio.get_running_loop()
        with self._our_errors():
            return await loop.run_in_executor(self._thread, partial(work, *args, **kwargs))

    async def _at_length(self, work: Callable[[Advance], _T]) -> _T:
        """
        Run *work*, which may take minutes, where it holds nobody up, and end it with its caller.

        *work* calls what it is given with every piece of bytes.
        """
        gone = threading.Event()

        def advance(_bytes: int) -> None:
            if gone.is_set():
                raise InterruptedError("nobody waits for it any more")

        try:
            with self._our_errors():
                return await asyncio.get_running_loop().run_in_executor(self._long, work, advance)
        finally:
            gone.set()

    def _file_of(self, digest: str) -> Path | None:
        """Find a model's file for the upload store, which is older than any snapshot."""
        return self._snapshot.file_of(digest)

    def _check_writable(self) -> None:
        self._disk.check_writable()

    @contextlib.contextmanager
    def _our_errors(self) -> Iterator[None]:
        try:
            yield
        except (FileExistsError, FileNotFoundError):
            raise
        except OSError as error:
            raise refusals.disk(error, self.root) from error


def _tell(start: Start, root: Path) -> None:
    """Log what a start found, each thing once."""
    for folder in start.recovered.finished:
        _log.info("library.replacement_finished", model=folder)
    for hidden in start.recovered.swept:
        _log.info("library.swept", folder=hidden)
    for stuck in start.recovered.stuck:
        _log.warning("library.cannot_sweep", folder=stuck)
    if start.holder:
        _log.warning("library.held", folder=str(root), holder=start.holder, effect="read-only")
    if start.no_lock:
        _log.warning("library.no_lock", folder=str(root), why=start.no_lock)
    if str(start.facts):
        _log.warning("library.filesystem", folder=str(root), what=str(start.facts))


def _would_be(entry: str) -> str:
    """Return the key of the model an entry that was left would be."""
    return (model_name(entry) if format_of(entry) else name_for(entry)).casefold()


def _changed_ns(root: Path) -> int:
    try:
        return root.stat().st_mtime_ns
    except OSError:
        return -1
