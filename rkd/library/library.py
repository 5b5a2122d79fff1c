"""
The library: what is seen of the models on disk, and every way to change them.

Changes run in the library's own thread, one at a time; each is whole or did not happen.
"""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import ParamSpec, TypeVar

from rkd.errors import PreconditionError
from rkd.library import integrity, provenance, refusals
from rkd.library.integrity import FileFinding
from rkd.library.migrate import MigrationOutcome
from rkd.library.shelf import Shelf
from rkd.model import Model, ModelName, ModelState

_P = ParamSpec("_P")
_T = TypeVar("_T")


class Library(Shelf):
    """
    All models of one folder, seen and changed.

    Every change raises PreconditionError MODELS_READ_ONLY where the folder cannot be written, or is
    another daemon's to change; InternalError when the disk fails in another way.
    """

    async def stage(self, identity: str) -> Path:
        """Make the hidden folder in which a new model is put together, or find it again."""
        # A new model wants room: what nobody came back for is given up first.
        await self._on_disk(self.blobs.sweep)
        return await self._on_disk(self._changing, self._disk.staging.open, identity)

    async def discard(self, stage: Path) -> None:
        """Throw a stage away."""
        await self._on_disk(self._disk.staging.discard, stage)

    async def commit(self, stage: Path, name: ModelName, *, replace: bool = False) -> Model:
        """
        Let *stage* appear as the model *name*: whole, durable, at once.

        Raises:
            AlreadyExistsError: MODEL_EXISTS; the stage stays.
            ExhaustedError: DISK_FULL.
        """
        await self.learn(name)
        replaces = self._check_free(name, replace=replace)
        try:
            await self._on_disk(self._changing, self._disk.commit, stage, name, replaces)
        except FileExistsError as error:
            raise refusals.exists(name, f"{name} is taken in the models folder.") from error
        await self.refresh(frozenset({name.text, replaces or name.text}))
        return self.find(name)

    async def copy(self, source: ModelName, target: ModelName, *, replace: bool = False) -> Model:
        """
        Copy a model under another name; the weights are shared on disk where that is possible.

        Raises:
            NotFoundError: MODEL_NOT_FOUND.
            AlreadyExistsError: MODEL_EXISTS.
            PreconditionError: MODEL_INCOMPLETE.
        """
        await self.learn(source)
        await self.learn(target)
        model = self.find(source)
        if model.state is ModelState.INCOMING:
            self.get(source)
        self._check_free(target, replace=replace and source.key != target.key)
        stage = await self.stage(f"copy-{secrets.token_hex(6)}")
        try:
            await self._at_length(partial(self._disk.copy, model.folder, stage))
            return await self.commit(stage, target, replace=replace)
        finally:
            await self.discard(stage)

    async def adopt(self, model: Model, text: str, stage: Path) -> Model:
        """Give *model* the Modelfile *text*, and the files of *stage* that it lacks."""
        await self._on_disk(self._changing, self._disk.adopt, model.folder, text, stage)
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
        await self.learn(name)
        model = self.find(name)
        if any(file.path.parent == self.root for file in model.weights):
            raise refusals.incoming(name)
        try:
            return await self._on_disk(self._changing, self._disk.remove, model.folder)
        except FileNotFoundError as error:
            raise refusals.not_found(name) from error
        finally:
            await self.refresh(frozenset({model.folder.name}))

    async def migrate(self, *, dry_run: bool = False) -> MigrationOutcome:
        """Migrate the flat layout now, or only say what would be done."""
        if not dry_run:
            await self._looking.settle()
            return await self.refresh()
        return await self._on_disk(self._disk.plan)

    async def verify(self, name: ModelName) -> tuple[FileFinding, ...]:
        """
        Read every byte of a model and compare; what had no digest yet gets it recorded.

        Raises:
            NotFoundError: MODEL_NOT_FOUND.
        """
        await self.learn(name)
        model = self.find(name)
        recorded = dict(model.provenance.digests)
        found = await self._at_length(
            lambda advance: tuple(integrity.verify(model.folder, recorded, advance=advance))
        )
        new = {one.file: one.digest for one in found if one.holds and not one.recorded}
        new = {file: digest for file, digest in new.items() if provenance.is_inside(file)}
        if new and model.folder.parent == self.root and model.state is not ModelState.INCOMING:
            said = provenance.with_digests(model.provenance, new)
            with contextlib.suppress(PreconditionError):  # nothing can be written, all was read
                await self._on_disk(self._changing, provenance.write, model.folder, said)
            await self.refresh(frozenset({model.folder.name}))
        return found

    def _check_free(self, name: ModelName, *, replace: bool) -> str:
        """Return the folder that goes when *name* is replaced, or "" when the name is free."""
        described = self.snapshot.by_key.get(name.key)
        if described is None:
            return ""
        if not replace:
            raise refusals.exists(name)
        return described.model.folder.name

    def _changing(self, work: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs) -> _T:
        """Do *work*, which changes the models folder, unless that is another daemon's to do."""
        self._disk.check_writable()
        return work(*args, **kwargs)
