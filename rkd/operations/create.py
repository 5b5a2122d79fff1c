"""
Create a model: from uploaded weights or checkpoints, from another model, or for a file in place.

Everything is put together in a stage; nothing stands under the name until it is complete.
Conversion and quantization run in a child, started by a callable given at construction.
"""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from rkd.durable import write_file
from rkd.errors import (
    NotFoundError,
    PreconditionError,
    Reason,
    RkdError,
)
from rkd.inference import LoadProgress
from rkd.library import refusals
from rkd.library.integrity import sha256_of
from rkd.library.layout import MODELFILE, format_of
from rkd.library.library import Library
from rkd.model import Format, Model, ModelState, Recipe
from rkd.modelfile.parse import Modelfile, parse
from rkd.modelfile.render import inherit
from rkd.modelfile.source import repository_of
from rkd.operations import modelfiles, workshop
from rkd.operations.create_start import parent_of
from rkd.operations.operation import Operation
from rkd.operations.order import CreateOrder, Work, file_name
from rkd.operations.report import Report

RunJob = Callable[
    [str, Mapping[str, str], Callable[[LoadProgress], None]], Awaitable[Mapping[str, str]]
]
"""Runs a job of the worker in a child; `progress` is called on the loop."""

FetchTokenizer = Callable[[str, Path], Awaitable[None]]
"""Brings tokenizer files of a repository into a folder; raises RkdError when it cannot."""

FLOATS = frozenset({"F32", "F16", "BF16"})
"""Types a checkpoint is converted to directly."""


@dataclass(slots=True)
class _Draft:
    """
    A model being put together.

    Args:
        weights: names in the stage that FROM will name.
        sight: the name of what lets them see, if there is any; FROM names it too.
        made: those of them that were converted or quantized here.
        digests: of files whose digest is known, by name.
        warnings: what the caller should know but did not fail.
    """

    order: CreateOrder
    modelfile: Modelfile
    stage: Path
    report: Report
    weights: tuple[str, ...] = ()
    sight: tuple[str, ...] = ()
    made: tuple[str, ...] = ()
    digests: dict[str, str] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)


class CreateRunner:
    """
    Carries creates out; see `operations.Runner`.

    Args:
        library: where models appear.
        run_job: starts conversions and quantizations.
        fetch_tokenizer: brings tokenizers; None where there is no hub.
        reserve_bytes: disk space never filled.
        tool: a native llama-quantize to use, or "".
        now: the wall clock.
    """

    resumable = True

    def __init__(
        self,
        *,
        library: Library,
        run_job: RunJob,
        fetch_tokenizer: FetchTokenizer | None = None,
        reserve_bytes: Callable[[], int] = lambda: 0,
        tool: str = "",
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._library = library
        self._run_job = run_job
        self._fetch_tokenizer = fetch_tokenizer
        self._reserve_bytes = reserve_bytes
        self._tool = tool
        self._now = now

    async def run(self, operation: Operation, report: Report) -> Mapping[str, str]:
        """Create; see the module."""
        order = CreateOrder.restored(operation.request)
        again = "model" in operation.detail
        report.tell("model", order.name.text)
        await self._library.learn(order.name)
        if again and self._is_done(order, operation):
            return {}
        stage = await self._library.stage(_stage_of(operation))
        try:
            work = await asyncio.to_thread(order.work)
            if work is Work.EXISTING:
                warnings = await self._adopt(order, stage, report)
            else:
                draft = _Draft(order, order.read(), stage, report)
                warnings = await self._make(work, draft)
        finally:
            # Uploads are kept in their store: beginning anew costs no upload.
            await asyncio.shield(self._library.discard(stage))
        return {"warnings": "\n".join(warnings)} if warnings else {}

    async def discard(self, operation: Operation) -> None:
        """Remove the stage."""
        await self._library.discard(await self._library.stage(_stage_of(operation)))

    def _is_done(self, order: CreateOrder, operation: Operation) -> bool:
        """Whether a run before a restart got as far as the commit: the record is younger."""
        try:
            created = self._library.find(order.name).provenance.created
        except NotFoundError:
            return False
        return created is not None and created >= operation.created

    async def _make(self, work: Work, draft: _Draft) -> list[str]:
        match work:
            case Work.WEIGHTS:
                await self._take_weights(draft)
            case Work.CHECKPOINT:
                await self._convert(draft)
            case Work.PARENT | Work.HUB | Work.EXISTING:
                await self._derive(draft)
        if draft.order.quantize:
            await self._quantize(draft, converted=work is Work.CHECKPOINT)
        await self._finish(draft)
        return draft.warnings

    async def _take_weights(self, draft: _Draft) -> None:
        draft.report.stage("checking")
        order, blobs = draft.order, self._library.blobs
        files = order.weights(draft.modelfile)
        draft.weights, draft.sight = await asyncio.to_thread(
            workshop.take_weights, draft.stage, files, blobs
        )
        for name in draft.weights:
            draft.warnings += await asyncio.to_thread(workshop.check, draft.stage / name)
        if draft.sight:
            await asyncio.to_thread(workshop.check_sight, draft.stage, draft.weights, draft.sight)
        draft.digests |= _digests(files)

    async def _derive(self, draft: _Draft) -> None:
        draft.report.stage("deriving")
        parent = await parent_of(self._library, draft.order)
        await asyncio.to_thread(workshop.take_parent, draft.stage, parent.folder)
        base = await asyncio.to_thread(parse, parent.modelfile_text)
        draft.modelfile = await asyncio.to_thread(inherit, base, draft.modelfile)
        draft.weights = _named(parent, base)
        draft.sight = (parent.projector.path.name,) if parent.projector else ()

    async def _convert(self, draft: _Draft) -> None:
        order, report = draft.order, draft.report
        files = order.weights(draft.modelfile)
        blobs = self._library.blobs
        source = await asyncio.to_thread(workshop.take_checkpoint, draft.stage, files, blobs)
        size = await asyncio.to_thread(workshop.size_of, source)
        self._check_room(size)
        kind = order.quantize.upper() if order.quantize.upper() in FLOATS else "F16"
        target = draft.stage / workshop.quantized_name(f"{order.name}.gguf", kind)
        arguments = {
            "source": str(source),
            "target": str(target),
            "type": kind,
            "name": order.name.text,
        }
        results = await self._job("convert", "converting", arguments, size, report)
        draft.warnings += [line for line in results.get("warnings", "").splitlines() if line]
        await asyncio.to_thread(shutil.rmtree, source)
        await asyncio.to_thread(workshop.check, target)
        draft.weights = draft.made = (target.name,)

    async def _quantize(self, draft: _Draft, *, converted: bool) -> None:
        kind = draft.order.quantize.upper()
        name = next((one for one in draft.weights if format_of(one) is Format.GGUF), "")
        if not name:
            raise PreconditionError(
                Reason.CAPABILITY_UNSUPPORTED,
                "an .rkllm cannot be quantized here.",
                remedy="Quantize it when converting it with Rockchip's toolkit.",
                metadata={"type": kind},
            )
        source = draft.stage / name
        present = await asyncio.to_thread(workshop.quantization_of, source)
        if kind == present:
            if not converted:
                draft.warnings.append(f"{name} is {kind} already")
            return
        size = source.stat().st_size
        self._check_room(size)
        target = draft.stage / workshop.quantized_name(name, kind)
        arguments = {"source": str(source), "target": str(target), "type": kind}
        if self._tool:
            arguments["llama_quantize"] = self._tool
        await self._job("quantize", "quantizing", arguments, size, draft.report)
        await asyncio.to_thread(workshop.drop_weights, draft.stage, name)
        draft.weights = tuple(target.name if one == name else one for one in draft.weights)
        draft.made = (target.name,)

    async def _finish(self, draft: _Draft) -> None:
        order, stage = draft.order, draft.stage
        adapters = order.adapters(draft.modelfile)
        blobs = self._library.blobs
        placed = await asyncio.to_thread(workshop.take_adapters, stage, adapters, blobs)
        draft.digests |= _digests(adapters)
        text = modelfiles.kept(draft.modelfile, (*draft.weights, *draft.sight), placed)
        kept = await asyncio.to_thread(_recipe_of, text)
        await asyncio.to_thread(workshop.check_adapters, stage, kept.adapters)
        await asyncio.to_thread(write_file, stage / MODELFILE, text.encode())
        await self._record(draft)
        draft.report.stage("finishing")
        await self._library.commit(stage, order.name, replace=order.replace)
        await asyncio.to_thread(blobs.drop, [digest for _, digest in order.files])

    async def _record(self, draft: _Draft) -> None:
        """Write the provenance, with digests of what was made here; a parent's stay as they are."""
        for name in draft.made:
            draft.report.stage("hashing")
            draft.digests[name] = await asyncio.to_thread(sha256_of, draft.stage / name)
        await asyncio.to_thread(workshop.record, draft.stage, draft.digests, self._now())

    async def _job(
        self, kind: str, stage: str, arguments: Mapping[str, str], size: int, report: Report
    ) -> Mapping[str, str]:
        report.stage(stage)
        report.begin(stage, size)

        def tell(progress: LoadProgress) -> None:
            report.advance(stage, int(size * max(0.0, min(1.0, progress.fraction))))

        results = await self._run_job(kind, arguments, tell)
        report.advance(stage, size)
        return results

    def _check_room(self, wanted_bytes: int) -> None:
        """Refuse before the work what would not fit at its end."""
        free = shutil.disk_usage(self._library.root).free
        if wanted_bytes + self._reserve_bytes() > free:
            raise refusals.full(self._library.root, wanted_bytes, free)

    async def _adopt(self, order: CreateOrder, stage: Path, report: Report) -> list[str]:
        """Write the Modelfile a folder lacks; rkllama's `run NAME FILE HF_REPO`."""
        await self._library.current()
        await self._library.learn(order.name)
        model = self._library.find(order.name)
        if model.state is ModelState.INCOMING:
            self._library.get(order.name)
        file = await asyncio.to_thread(workshop.own_file, model, order.existing_file)
        said = model.modelfile_text and not self._library.is_derived(order.name)
        if said and not order.replace:
            if order.modelfile:
                raise refusals.exists(order.name)
            if model.state is not ModelState.INVALID:
                return [f"{order.name} has a Modelfile already, which is kept"]
        text, warnings = order.modelfile, list[str]()
        if text:
            await asyncio.to_thread(workshop.check_own, model, order.read())
        else:
            repository = repository_of(order.huggingface_path.strip())
            if repository and format_of(file) is Format.RKLLM:
                warnings += await self._bring_tokenizer(repository, stage, report)
            text = modelfiles.adopted(file, repository)
        await self._library.adopt(model, text, stage)
        return warnings

    async def _bring_tokenizer(self, repository: str, stage: Path, report: Report) -> list[str]:
        """Fetch what a .rkllm is better off with; returns what stood against it."""
        warnings: list[str] = []
        if self._fetch_tokenizer is not None:
            report.stage("fetching the tokenizer")
            try:
                await self._fetch_tokenizer(repository, stage)
            except RkdError as error:
                warnings.append(f"the tokenizer of {repository} was not brought: {error.message}")
        return warnings


def _stage_of(operation: Operation) -> str:
    return operation.id


def _digests(files: workshop.Files) -> dict[str, str]:
    return {file_name(name): digest for name, digest in files}


def _named(parent: Model, base: Modelfile) -> tuple[str, ...]:
    """Return the weights of *parent* that its FROM names, else the first."""
    wanted = {file_name(source) for source in base.values("FROM")}
    names = tuple(file.path.name for file in parent.weights)
    return tuple(name for name in names if name in wanted) or names[:1]


def _recipe_of(text: str) -> Recipe:
    return parse(text).recipe()
