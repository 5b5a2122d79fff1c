"""
Pull a model: choose, check, fetch, verify, put together, and let it appear at once.

Until the last step nothing stands under the model's name, or the old version still does.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath

from rkd.errors import (
    InvalidInputError,
    NotFoundError,
    PreconditionError,
    Reason,
    RkdError,
    UnavailableError,
)
from rkd.hub.branches import find_weights
from rkd.hub.connection import Connection
from rkd.hub.fetching import Fetching
from rkd.hub.fit import FitVerdict, judge, judge_all
from rkd.hub.headroom import Headroom
from rkd.hub.listing import Listing, look_up
from rkd.hub.naming import is_collection, stem_of, tells_nothing
from rkd.hub.reference import Reference, local_name
from rkd.hub.threads import asking
from rkd.hub.variants import Variant, select, variants_of
from rkd.library import refusals
from rkd.library.library import Library
from rkd.model import Details, Format, Model, ModelName
from rkd.operations import bundle
from rkd.operations.operation import Operation
from rkd.operations.present import is_older, is_the_same
from rkd.operations.pull_order import PullOrder
from rkd.operations.report import Report
from rkd.operations.stages import stage_of

_UNREAD = Details()
"""Of weights whose header nobody has read yet."""

_PLAN_WAITS_S = (2.0, 5.0, 10.0, 20.0, 30.0)
"""Pauses of an operation resumed after a restart: the network may come up after rkd does."""


@dataclass(frozen=True, slots=True)
class _Plan:
    """
    What a pull brings, decided before the first byte.

    Args:
        modelfile: the one an older version of the same origin stands with; what somebody set in
            it outlives the update.
    """

    listing: Listing
    variant: Variant
    items: tuple[bundle.Item, ...]
    name: ModelName
    replace: bool
    modelfile: str = ""


class PullRunner:
    """
    Carries pulls out; see `operations.Runner`.

    Args:
        connection: the way to the hub.
        fetching: moves files.
        library: where models appear.
        capacity: what the board has, to choose where nobody chose.
        reserve_bytes: disk space never filled.
        read_card: gives a repository's card, "" where there is none.
        plan_waits_s: pauses before a resumed pull gives an unreachable hub up.
    """

    resumable = True

    def __init__(
        self,
        *,
        connection: Connection,
        fetching: Fetching,
        library: Library,
        capacity: Callable[[], Headroom],
        reserve_bytes: Callable[[], int],
        read_card: Callable[[Listing], str] = lambda _listing: "",
        plan_waits_s: tuple[float, ...] = _PLAN_WAITS_S,
    ) -> None:
        self._connection = connection
        self._fetching = fetching
        self._library = library
        self._capacity = capacity
        self._reserve_bytes = reserve_bytes
        self._read_card = read_card
        self._plan_waits_s = plan_waits_s

    async def run(self, operation: Operation, report: Report) -> Mapping[str, str]:
        """Pull; see the module."""
        order = PullOrder.restored(operation.request)
        report.stage("planning")
        listing = await self._listing(order, patient="commit" in operation.detail)
        report.tell("license", listing.license)
        report.tell("commit", listing.commit)
        if listing.branch:
            report.stage(f"main holds no weights for this board: taking branch {listing.branch}")
            report.tell("branch", listing.branch)
        card = await self._card(listing)
        variant = self._choose(listing, order, card, report)
        name = ModelName.parse(order.name or name_of(listing, variant))
        report.tell("model", name.text)
        report.tell("tag", variant.tag)
        present = await self._present(name)
        if present is not None and await asyncio.to_thread(is_the_same, present, listing, variant):
            report.stage("up to date")
            return {"unchanged": "yes"}
        plan = await self._plan(order, listing, variant, name, report)
        await self._bring(plan, stage_of(operation), report)
        return {}

    async def discard(self, operation: Operation) -> None:
        """Remove the stage with its parts."""
        await self._library.discard(await self._library.stage(stage_of(operation)))

    async def _listing(self, order: PullOrder, *, patient: bool) -> Listing:
        waits = (*self._plan_waits_s, None) if patient else (None,)
        for wait_s in waits:
            try:
                return await self._find(order.reference)
            except UnavailableError:
                if wait_s is None:
                    raise
            await asyncio.sleep(wait_s)
        raise AssertionError("the last wait is None")

    async def _find(self, wanted: Reference) -> Listing:
        capacity = self._capacity()
        chip = capacity.platform or capacity.chip
        return await asking(
            lambda: find_weights(self._connection, wanted.repository, wanted.revision, chip),
            name="rkd-plan",
        )

    async def _look_up(self, repository: str, revision: str) -> Listing:
        return await asking(
            lambda: look_up(self._connection, repository, revision), name="rkd-plan"
        )

    async def _card(self, listing: Listing) -> str:
        """Read the card where it is needed: it may name the chip no name tells."""
        if all(one.platform or one.format is not Format.RKLLM for one in variants_of(listing)):
            return ""
        return await asking(lambda: self._read_card(listing), name="rkd-card")

    def _choose(self, listing: Listing, order: PullOrder, card: str, report: Report) -> Variant:
        variants = variants_of(listing, card=card)
        capacity = self._capacity()
        if order.reference.selection or not variants:
            chip = capacity.platform or capacity.chip
            wanted = select(listing, variants, order.reference.selection, chip=chip)
            chosen = judge(wanted, _UNREAD, capacity)
        else:
            chosen = judge_all(variants, _UNREAD, capacity)[0]
        if chosen.verdict is FitVerdict.UNSUPPORTED:
            raise PreconditionError(
                Reason.CAPABILITY_UNSUPPORTED,
                f"{chosen.variant.name}: {chosen.detail}",
                remedy=f"See what runs here: rkctl files {listing.repository}",
                metadata={"file": chosen.variant.name},
            )
        if len(variants) > 1 and chosen.advice:
            report.tell("advice", chosen.advice)
            report.stage(f"taking {PurePosixPath(chosen.variant.name).name}: {chosen.advice}")
        return chosen.variant

    async def _present(self, name: ModelName) -> Model | None:
        """Find what stands under *name*, also where nobody has looked since the start."""
        await self._library.learn(name)
        try:
            return self._library.find(name)
        except NotFoundError:
            return None

    async def _plan(
        self,
        order: PullOrder,
        listing: Listing,
        variant: Variant,
        name: ModelName,
        report: Report,
    ) -> _Plan:
        present = await self._present(name)
        older = present if present is not None and is_older(present, listing, variant) else None
        if present is not None and older is None and not order.replace:
            raise refusals.exists(name)
        base = None
        if bundle.needs_tokenizer(listing, variant):
            base = await self._base(listing, report)
        items = bundle.items_of(listing, variant, base)
        replace = order.replace or older is not None
        text = older.modelfile_text if older is not None else ""
        return _Plan(listing, variant, items, name, replace, text)

    async def _base(self, listing: Listing, report: Report) -> Listing | None:
        """Look the original model up; a .rkllm without tokenizer still runs, so only warn."""
        for repository in listing.base_models[:1]:
            with contextlib.suppress(RkdError):
                return await self._look_up(repository, "main")
        report.tell(
            "warning",
            f"{listing.repository} has no tokenizer.json: the runtime's own template is used "
            "unless the Modelfile gets a TEMPLATE",
        )
        return None

    async def _bring(self, plan: _Plan, identity: str, report: Report) -> None:
        stage = await self._library.stage(identity)
        await asyncio.to_thread(self._begin, plan, stage, report)
        waiting = await asyncio.to_thread(bundle.missing, stage, plan.items)
        report.stage("downloading")
        twins = {group[0].file.path: group for group in waiting}

        def told(path: str, done: int) -> None:
            for item in twins[path]:
                report.advance(item.name, done)

        await self._fetching.fetch_all(
            [(one.listing.wanted(one.file), one.waiting(stage)) for one, *_ in waiting],
            progress=told,
        )
        report.stage("verifying")
        await asyncio.to_thread(
            bundle.assemble, stage, plan.items, plan.listing, plan.variant, datetime.now(UTC)
        )
        report.stage("finishing")
        try:
            await asyncio.to_thread(bundle.judge, stage, plan.variant)
        except InvalidInputError:
            await self._library.discard(stage)  # fetching it again would not change what it is
            raise
        await asyncio.to_thread(bundle.keep_modelfile, stage, plan.modelfile, plan.variant)
        await self._library.commit(stage, plan.name, replace=plan.replace)

    def _begin(self, plan: _Plan, stage: Path, report: Report) -> None:
        for item in plan.items:
            have = bundle.have_bytes(stage, item)
            report.begin(item.name, item.file.size_bytes, resumed_bytes=have)
        bundle.check_space(self._library.root, stage, plan.items, self._reserve_bytes())


def name_of(listing: Listing, variant: Variant) -> str:
    """Make a name where nobody chose one; of the file where the repository's tells too little."""
    several = is_collection(one.name for one in variants_of(listing))
    stem = stem_of(variant.name) if several or tells_nothing(listing.repository) else ""
    return local_name(listing.repository, variant.quantization, stem=stem)
