"""
Models on disk: an immutable snapshot for everybody, one thread that looks and changes.

Reading never waits. Whatever touches the disk runs in the thread `rkd-library`, one thing at a
time, so a scan never sees half of a commit. Everything else here runs on the event loop.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import secrets
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import ParamSpec, TypeVar

import structlog

from rkd.durable import Step, no_step
from rkd.errors import RkdError
from rkd.events import Publish
from rkd.library import changes, integrity, naming, provenance, refusals
from rkd.library.arrival import CLOSED_QUIET_S, QUIET_S, Sightings
from rkd.library.blobs import RESERVE_BYTES, Blobs
from rkd.library.disk import Disk
from rkd.library.header import is_short
from rkd.library.integrity import Finding
from rkd.library.layout import Cause, format_of, model_name, name_for
from rkd.library.migrate import Outcome
from rkd.library.scan import Snapshot
from rkd.model import Model, ModelName, ModelState

_log = structlog.get_logger(__name__)
_P = ParamSpec("_P")
_T = TypeVar("_T")

_PASSING = frozenset({Cause.INCOMING, Cause.HIDDEN})
"""Why a file is left that somebody is still bringing: no news for the log."""

DEBOUNCE_S = 0.1
"""Events of one copy come in crowds; this long they are collected before the disk is looked at."""


class Library:
    """
    All models of one folder.

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
        self.blobs = Blobs(root, known=self._path_of_digest, reserve_bytes=reserve_bytes, step=step)
        self._disk = Disk(
            root,
            blobs=self.blobs,
            sightings=sightings or Sightings(is_short=is_short),
            step=step,
        )
        self._publish = publish
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="rkd-library")
        self._snapshot = Snapshot()
        self._woken = asyncio.Event()
        self._touched: set[str] | None = set()
        self._closed: set[Path] = set()
        self._follower: asyncio.Task[None] | None = None

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
        recovered = await self._on_disk(self._disk.recover, keep)
        for folder in recovered.finished:
            _log.info("library.replacement_finished", model=folder)
        for hidden in recovered.swept:
            _log.info("library.swept", folder=hidden)
        await self.refresh()
        await self._settle()
        self._follower = asyncio.create_task(self._follow(), name="rkd-library-follow")

    async def close(self) -> None:
        """Stop following; what the thread is doing is finished first."""
        if self._follower is not None:
            self._follower.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._follower
        await asyncio.to_thread(self._thread.shutdown, wait=True, cancel_futures=True)

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

    async def refresh(self, touched: frozenset[str] | None = None) -> Outcome:
        """
        Look at the disk now; what lies flat is migrated first.

        Args:
            touched: names of folders that may have changed; None looks at every folder.

        Raises:
            InternalError: the models folder cannot be read.
        """
        closed, self._closed = frozenset(self._closed), set()
        outcome, after = await self._on_disk(self._disk.survey, self._snapshot, touched, closed)
        for move in outcome.moved:
            _log.info("library.migrated", source=move.name, folder=move.folder)
            self._publish(changes.migrated(move))
        before, self._snapshot = self._snapshot, after
        for event in changes.between(before, after):
            self._publish(event)
        for left in set(after.left) - set(before.left):
            level = logging.DEBUG if left.cause in _PASSING else logging.WARNING
            _log.log(
                level, "library.left_alone", name=left.name, cause=str(left.cause), why=left.text
            )
        return outcome

    async def current(self) -> Snapshot:
        """
        Return a snapshot that knows of everything in the models folder itself.

        Costs one stat when nothing changed there. A file that was closed a moment ago is waited
        for, CLOSED_QUIET_S at most.
        """
        root_ns = await asyncio.to_thread(_changed_ns, self.root)
        if root_ns != self._snapshot.root_ns or self._touched != set():
            await self._catch_up()
        await self._settle()
        return self._snapshot

    async def migrate(self, *, dry_run: bool = False) -> Outcome:
        """Migrate the flat layout now, or only say what would be done."""
        if not dry_run:
            await self._settle()
            return await self.refresh()
        return await self._on_disk(self._disk.plan)

    async def stage(self, identity: str) -> Path:
        """Make the hidden folder in which a new model is put together, or find it again."""
        return await self._on_disk(self._disk.open_stage, identity)

    async def discard(self, stage: Path) -> None:
        """Throw a stage away."""
        await self._on_disk(self._disk.discard, stage)

    async def commit(self, stage: Path, name: ModelName, *, replace: bool = False) -> Model:
        """
        Let *stage* appear as the model *name*: whole, durable, at once.

        Raises:
            AlreadyExistsError: MODEL_EXISTS; the stage stays.
            ExhaustedError: DISK_FULL.
        """
        replaces = self._check_free(name, replace=replace)
        try:
            await self._on_disk(self._disk.commit, stage, name, replaces)
        except FileExistsError as error:
            raise refusals.exists(name, f"{name} is taken in the models folder.") from error
        await self.refresh(frozenset({name.text, replaces}))
        return self.find(name)

    async def copy(self, source: ModelName, target: ModelName, *, replace: bool = False) -> Model:
        """
        Copy a model under another name; the weights are shared on disk where that is possible.

        Raises:
            NotFoundError: MODEL_NOT_FOUND.
            AlreadyExistsError: MODEL_EXISTS.
            PreconditionError: MODEL_INCOMPLETE.
        """
        model = self.find(source)
        if model.state is ModelState.INCOMING:
            self.get(source)
        self._check_free(target, replace=replace and source.key != target.key)
        stage = await self.stage(f"copy-{secrets.token_hex(6)}")
        try:
            await self._on_disk(self._disk.copy, model.folder, stage)
            return await self.commit(stage, target, replace=replace)
        finally:
            await self.discard(stage)

    async def adopt(self, model: Model, text: str, stage: Path) -> Model:
        """Give *model* the Modelfile *text*, and the files of *stage* that it lacks."""
        await self._on_disk(self._disk.adopt, model.folder, text, stage)
        await self.refresh(frozenset({model.folder.name}))
        return self.find(model.name)

    async def delete(self, name: ModelName) -> int:
        """
        Delete a model's folder; returns the bytes given back.

        Whoever has the weights open keeps them until closing; links are not followed.

        Raises:
            NotFoundError: MODEL_NOT_FOUND.
            PreconditionError: MODEL_INCOMPLETE, for a file that is still being written flat.
        """
        model = self.find(name)
        if any(file.path.parent == self.root for file in model.weights):
            raise refusals.incoming(name)
        freed_bytes = await self._on_disk(self._disk.remove, model.folder)
        await self.refresh(frozenset({model.folder.name}))
        return freed_bytes

    async def verify(self, name: ModelName) -> tuple[Finding, ...]:
        """
        Read every byte of a model and compare; what had no digest yet gets it recorded.

        Raises:
            NotFoundError: MODEL_NOT_FOUND.
        """
        model = self.find(name)
        recorded = dict(model.provenance.digests)
        found = await asyncio.to_thread(lambda: tuple(integrity.verify(model.folder, recorded)))
        new = {one.file: one.digest for one in found if one.holds and not one.recorded}
        if new and model.folder.parent == self.root and model.state is not ModelState.INCOMING:
            await self._on_disk(self._disk.record, model, new)
            await self.refresh(frozenset({model.folder.name}))
        return found

    def _check_free(self, name: ModelName, *, replace: bool) -> str:
        """Return the folder that goes when *name* is replaced, or "" when the name is free."""
        described = self._snapshot.by_key.get(name.key)
        if described is None:
            return ""
        if not replace:
            raise refusals.exists(name)
        return described.model.folder.name

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
            except RkdError as error:
                _log.error("library.unreadable", folder=str(self.root), why=error.message)
                await asyncio.sleep(QUIET_S)

    def _recheck_s(self) -> float | None:
        arriving = any(model.state is ModelState.INCOMING for model in self.models())
        return self._snapshot.recheck_s or (QUIET_S if arriving else None)

    async def _on_disk(self, work: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs) -> _T:
        """Run *work* in the library's thread; errors of the disk become ours."""
        loop = asyncio.get_running_loop()
        try:
            return await loop.run_in_executor(self._thread, partial(work, *args, **kwargs))
        except FileExistsError:
            raise
        except OSError as error:
            raise refusals.disk(error, self.root) from error

    def _path_of_digest(self, digest: str) -> Path | None:
        """Find a file by the digest recorded for it, unless it changed since."""
        for model in self._snapshot.models():
            for file_name, recorded in model.provenance.digests:
                if recorded == digest and provenance.is_current(model.folder, file_name):
                    return model.folder / file_name
        return None


def _would_be(entry: str) -> str:
    """Return the key of the model an entry that was left would be."""
    return (model_name(entry) if format_of(entry) else name_for(entry)).casefold()


def _changed_ns(root: Path) -> int:
    try:
        return root.stat().st_mtime_ns
    except OSError:
        return -1
