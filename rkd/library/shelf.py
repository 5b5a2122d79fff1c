"""
What is seen of the models on disk: a snapshot for everybody, and when it is taken anew.

Reading never waits. Whatever touches the disk runs in the thread `rkd-library`, one thing at a
time, so a scan never sees half of a commit. Everything else here runs on the event loop.
"""

from __future__ import annotations

import asyncio
from pathlib import Path

import structlog

from rkd.durable import Step, no_step
from rkd.events import Publish
from rkd.library import naming, refusals
from rkd.library.arrival import QUIET_S, Sightings
from rkd.library.blobs import RESERVE_BYTES, Blobs
from rkd.library.disk import Disk, Start
from rkd.library.header import is_short
from rkd.library.layout import format_of, model_name, name_for
from rkd.library.looking import Looking
from rkd.library.migrate import MigrationOutcome
from rkd.library.snapshot import Snapshot
from rkd.library.threads import Threads
from rkd.library.watch import Watch
from rkd.model import Model, ModelName, ModelState

_log = structlog.get_logger(__name__)

CURRENT_S = 3.0
"""So long a list waits for a look at the disk; then it tells what is known. One folder with
absurd files may take longer, and never holds the others up."""

READ_S = 60.0
"""So long a name with a tag waits for the first reading; then it means one of the models known."""

LONG_AT_ONCE = 2
"""Models hashed or copied at once; more wait. A disk gains nothing from more, and the threads
others wait for are not taken."""


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
        self._threads = Threads(root, LONG_AT_ONCE)
        self._on_disk, self._at_length = self._threads.on_disk, self._threads.at_length
        self._looking = Looking(root, self._disk, self._threads, publish)

    @property
    def snapshot(self) -> Snapshot:
        """What the last look at the disk found."""
        return self._looking.snapshot

    @property
    def reading(self) -> bool:
        """True while there are folders that nobody has looked at since the start."""
        return self._looking.reading

    def models(self) -> tuple[Model, ...]:
        """Every model, sorted by name, from the snapshot."""
        return self.snapshot.models()

    def find(self, name: ModelName) -> Model:
        """
        Return the model *name* in whatever state.

        Raises:
            NotFoundError: MODEL_NOT_FOUND.
        """
        described = self.snapshot.by_key.get(name.key)
        if described is None:
            left = (one for one in self.snapshot.left if _would_be(one.name) == name.key)
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
        refuse = self.snapshot.by_key[name.key].refuse
        if refuse is not None:
            raise refuse()
        if model.state is ModelState.INCOMING:
            raise refusals.incoming(name)
        return model

    async def named(self, text: str, *, field_name: str = "model") -> ModelName:
        """
        Return the name *text* means: itself, or that of the one model a tag leads to.

        Which one that is, is known when every model is: a tag waits for the first reading.

        Raises:
            InvalidInputError: INVALID_NAME.
            NotFoundError: MODEL_NOT_FOUND, for a repository nothing was pulled from.
        """
        if naming.is_plain(text):
            return naming.meant(text, (), field_name=field_name)
        await self._looking.wait_read(READ_S)
        return naming.meant(text, self.models(), field_name=field_name)

    def is_derived(self, name: ModelName) -> bool:
        """Whether the Modelfile of *name* is made from its weights and not on disk."""
        described = self.snapshot.by_key.get(name.key)
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
        await self.learn(name)
        described = self.snapshot.by_key.get(name.key)
        if described is not None and described.model.state is ModelState.READY:
            return
        described = (await self.current()).by_key.get(name.key)
        if described is not None and described.recheck_s:
            await asyncio.sleep(min(QUIET_S, described.recheck_s))
            await self._looking.step()

    async def learn(self, name: ModelName) -> None:
        """Look now at the folders of the model *name*, where a look at them is still due."""
        seen = self.snapshot
        described = seen.by_key.get(name.key)
        wanted = {folder for folder in seen.due if _would_be(folder) == name.key}
        if described is not None and described.sketched:
            wanted.add(described.model.folder.name)
        if wanted:
            await self.refresh(frozenset(wanted))

    async def start(
        self, *, keep: frozenset[str] = frozenset(), watch: Watch | None = None
    ) -> None:
        """
        Finish what an earlier daemon began, migrate, look at the models, and begin to follow.

        A library of many models is read on behind the start (`reading`); whoever asks for a model
        that has not been read has it read at once.

        Args:
            keep: identities of stages that operations will go on with.
            watch: started here, and told of every folder that is read; closed by whoever gives it.

        Raises:
            InternalError: the models folder cannot be made or read.
        """
        start = await self._on_disk(self._disk.recover, keep)
        _tell(start, self.root)
        if watch is not None:
            self._disk.watch = watch
            await watch.start()
        await self._looking.start()

    async def close(self) -> None:
        """Stop following; what the thread is doing is finished first."""
        await self._looking.close()
        await self._threads.close()
        self._disk.close()

    def changed(self, names: frozenset[str] | None, closed: frozenset[Path] = frozenset()) -> None:
        """
        Take note that something happened in the folder; looks at it soon.

        Args:
            names: entries of the models folder; None when it may be any.
            closed: files whose writer closed them or renamed them into place.
        """
        self._looking.news.add(names, closed)

    async def refresh(self, touched: frozenset[str] | None = None) -> MigrationOutcome:
        """
        Look at the disk now; what lies flat is migrated first.

        Args:
            touched: names of folders that may have changed; None looks at every folder.

        Raises:
            InternalError: the models folder cannot be read.
        """
        return await self._looking.refresh(touched)

    async def current(self) -> Snapshot:
        """
        Return a snapshot that knows of everything in the models folder itself.

        Costs one stat when nothing changed there. A file that was closed a moment ago is waited
        for, CLOSED_QUIET_S at most. A look that takes longer than CURRENT_S, or fails, is not
        waited for, nor the first reading of a library of many models; both are told as `due`.
        """
        if self._disk.watch is not None:
            self._disk.watch.drain()
        root_ns = await asyncio.to_thread(_changed_ns, self.root)
        known = root_ns == self.snapshot.listing.changed_ns
        if not known or self._looking.behind or self._looking.busy:
            await self._looking.within(CURRENT_S)
        await self._looking.settle()
        return self.snapshot

    def _file_of(self, digest: str) -> Path | None:
        """Find a model's file for the upload store, which is older than any snapshot."""
        return self.snapshot.file_of(digest)

    def _check_writable(self) -> None:
        self._disk.check_writable()


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
