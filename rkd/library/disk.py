"""What the library's thread does: looks at the models folder and changes it. Blocking."""

from __future__ import annotations

from itertools import count
from pathlib import Path

from rkd.durable import Step, write_file
from rkd.library import migrate, provenance
from rkd.library.arrival import Sightings
from rkd.library.blobs import Blobs
from rkd.library.copying import clone_or_copy, copy_folder, own_bytes
from rkd.library.layout import MODELFILE
from rkd.library.migrate import Outcome
from rkd.library.scan import Snapshot, scan
from rkd.library.staging import Recovered, Staging
from rkd.model import Model, ModelName


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
        self._staging = Staging(root, step=step)

    def recover(self, keep: frozenset[str]) -> Recovered:
        """Make the folder if need be, and finish or sweep what an earlier daemon left."""
        self._root.mkdir(parents=True, exist_ok=True)
        self._blobs.sweep()
        return self._staging.recover(keep)

    def survey(
        self, previous: Snapshot, touched: frozenset[str] | None, closed: frozenset[Path]
    ) -> tuple[Outcome, Snapshot]:
        """Migrate and scan; see `Library.refresh`."""
        for path in closed:
            self._sightings.closed(path)
        judge = self._sightings.wait_s
        outcome = migrate.migrate(self._root, judge=judge, step=self._step)
        moved = frozenset(move.folder for move in outcome.moved)
        looked = None if touched is None else touched | moved
        return outcome, scan(
            self._root, judge, previous=previous, touched=looked, left=outcome.left
        )

    def plan(self) -> Outcome:
        """Say what a migration would do."""
        return migrate.migrate(self._root, judge=self._sightings.wait_s, dry_run=True)

    def open_stage(self, identity: str) -> Path:
        """Make a stage, or find it again."""
        return self._staging.open(identity)

    def discard(self, stage: Path) -> None:
        """Throw a stage away."""
        self._staging.discard(stage)

    def commit(self, stage: Path, name: ModelName, replaces: str) -> None:
        """Let a stage appear; what rkd wrote itself has no settling time."""
        for file in stage.rglob("*"):
            if file.is_file():
                self._sightings.trust(file.stat())
        self._staging.commit(stage, name.text, replaces=replaces)

    def copy(self, source: Path, stage: Path) -> None:
        """Fill a stage with a model's files."""
        copy_folder(source, stage)

    def remove(self, folder: Path) -> int:
        """Delete a model's folder; returns the bytes given back."""
        freed_bytes = own_bytes(folder)
        self._staging.remove(folder.name)
        return freed_bytes

    def record(self, model: Model, digests: dict[str, str]) -> None:
        """Record digests that were missing."""
        provenance.write(model.folder, provenance.with_digests(model.provenance, digests))

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
