"""What the library's thread does: looks at the models folder and changes it. Blocking."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

from rkd.durable import Step, sync_tree, write_file
from rkd.library import filesystem, migrate, refusals
from rkd.library.arrival import Sightings
from rkd.library.blobs import Blobs
from rkd.library.copying import clone_or_copy, copy_folder, own_bytes
from rkd.library.filesystem import Filesystem
from rkd.library.folder import no_cover
from rkd.library.hold import Hold
from rkd.library.integrity import Advance
from rkd.library.layout import MODELFILE
from rkd.library.migrate import MigrationOutcome
from rkd.library.root import list_root
from rkd.library.scan import Enough, scan
from rkd.library.snapshot import Snapshot
from rkd.library.staging import Recovered, Staging
from rkd.library.watch import Watch
from rkd.model import ModelName


@dataclass(frozen=True, slots=True)
class Start:
    """
    What a start found.

    Args:
        holder: who else changes this folder, or "".
        no_lock: why a second daemon would not be noticed, or "".
    """

    recovered: Recovered = field(default_factory=Recovered)
    facts: Filesystem = field(default_factory=Filesystem)
    holder: str = ""
    no_lock: str = ""


class Disk:
    """
    One models folder, in the hands of one thread.

    Args:
        root: the models folder.
        blobs: its upload store, swept at start.
        sightings: what is known of files that arrive.
        step: called before each change.
    """

    def __init__(self, root: Path, *, blobs: Blobs, sightings: Sightings, step: Step) -> None:
        self._root = root
        self._blobs = blobs
        self._sightings = sightings
        self._step = step
        self._hold = Hold(root)
        self.watch: Watch | None = None
        """Told of every folder before it is listed, and of those that went."""
        self.staging = Staging(root, step=step)

    def recover(self, keep: frozenset[str]) -> Start:
        """Make the folder if need be, and finish or sweep what an earlier daemon left."""
        self._root.mkdir(parents=True, exist_ok=True)
        holder = self._hold.take()
        if holder:
            return Start(holder=holder)
        self._blobs.sweep()
        facts = filesystem.probe(self._root)
        return Start(self.staging.recover(keep), facts, no_lock=self._hold.problem)

    def check_writable(self) -> None:
        """
        Make sure that it is this daemon that changes the folder.

        Raises:
            PreconditionError: MODELS_READ_ONLY: another one holds it, and who.
        """
        holder = self._hold.take()
        if holder:
            raise refusals.held(self._root, holder)

    def close(self) -> None:
        """Let another daemon have the folder."""
        self._hold.release()

    def survey(
        self,
        previous: Snapshot,
        touched: frozenset[str] | None,
        closed: frozenset[Path],
        enough: Enough,
    ) -> tuple[MigrationOutcome, Snapshot]:
        """
        Migrate what lies flat, and look at folders.

        Args:
            previous: the last snapshot.
            touched: entries of the models folder that may have changed, looked at first; None
                when any may.
            closed: files whose writer closed them.
            enough: when the look ends.
        """
        for path in closed:
            self._sightings.closed(path)
        watch, judge = self.watch, self._sightings.wait_s
        if watch is not None and touched is None:
            watch.cover(str(self._root))
        told = watch is not None and watch.tells_all
        held = list_root(self._root, previous.listing, touched, told=told)
        if watch is not None:
            watch.forget(previous.listing.folders - held.folders)
        holder = self._hold.take()
        outcome = migrate.migrate(
            self._root,
            judge=judge,
            step=self._step,
            dry_run=bool(holder),
            held=held,
            known=previous.folders,
        )
        if holder:
            outcome = migrate.kept_still(outcome, f"another rkd ({holder}) holds the models folder")
        filled = frozenset(move.folder for move in outcome.moved)
        if filled:
            moved = filled.union(move.name for move in outcome.moved)
            held = list_root(self._root, held, moved, told=told)
            touched = None if touched is None else touched | filled
        return outcome, scan(
            self._root,
            judge,
            previous=previous,
            touched=touched,
            left=outcome.left,
            listing=held,
            enough=lambda folders: enough(folders - len(filled)),
            cover=no_cover if watch is None else watch.cover,
        )

    def plan(self) -> MigrationOutcome:
        """Say what a migration would do."""
        return migrate.migrate(self._root, judge=self._sightings.wait_s, dry_run=True)

    def commit(self, stage: Path, name: ModelName, replaces: str) -> None:
        """Let a stage appear; what rkd wrote itself has no settling time."""
        for file in stage.rglob("*"):
            if file.is_file():
                self._sightings.trust(file.stat())
        self.staging.commit(stage, name.text, replaces=replaces)

    def copy(self, source: Path, stage: Path, advance: Advance) -> None:
        """Fill a stage with a model's files, durably; of all things here this may take minutes."""
        copy_folder(source, stage, advance)
        sync_tree(stage)

    def remove(self, folder: Path) -> int:
        """
        Delete a model's folder; returns the bytes given back.

        Raises:
            FileNotFoundError: it is gone already.
        """
        freed_bytes = own_bytes(folder)
        self.staging.remove(folder.name)
        return freed_bytes

    def adopt(self, folder: Path, text: str, stage: Path) -> None:
        """
        Give a model its Modelfile, and the files of *stage* it does not have.

        The Modelfile comes last: until then the model is what it was. One that is there already
        is kept as `Modelfile.old`.
        """
        for path in sorted(stage.iterdir()):
            if not (folder / path.name).exists():
                self._step(f"bring {path.name}")
                path.rename(folder / path.name)
        current = folder / MODELFILE
        if current.exists():
            self._step("keep old")
            clone_or_copy(current, _free_name(folder, f"{MODELFILE}.old"))
        self._step("write modelfile")
        write_file(current, text.encode())


def _free_name(folder: Path, name: str) -> Path:
    """Return `<folder>/<name>`, with a number behind it while that is taken."""
    candidates = (folder / (f"{name}.{number}" if number else name) for number in count())
    return next(path for path in candidates if not path.exists())
