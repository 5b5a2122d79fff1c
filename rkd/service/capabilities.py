"""
What models can be asked for, as messages: the table of `capability`, judged once a model's version.

Judging reads headers and templates in a thread, and remembers; nothing is loaded for it.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, replace

from rkd.capability.ability import Ability
from rkd.capability.table import ROWS, abilities
from rkd.capability.traits import Traits, traits_of
from rkd.inference import LoadSpec
from rkd.model import BackendChoice, BackendKind, Format, Model, ModelState
from rkd.pool.deciding.placement import Wish
from rkd.pool.deciding.prospect import Prospect
from rkd.service import onwire
from rkd.v1 import types_pb2 as types

MOST_REMEMBERED = 128
"""Judgements kept: some kilobytes each."""
_GENERATING = ("chat", "tools", "thinking", "vision")
_BESIDE = (("insert", "fim"), ("rerank", "rerank"))
"""Words of the short list that are capabilities under a name of their own."""


@dataclass(frozen=True, slots=True)
class Judged:
    """One model on one backend: what it is, and the same said."""

    traits: Traits
    message: types.Capabilities


class Capabilities:
    """
    The judge.

    Args:
        prospects: how each backend would load a model.
        aside: does a call off the event loop.
    """

    def __init__(
        self,
        prospects: Callable[[Model], Iterable[Prospect]],
        aside: Callable[[Callable[[LoadSpec], Judged], LoadSpec], Awaitable[Judged]] = (
            asyncio.to_thread
        ),
    ) -> None:
        self._prospects = prospects
        self._aside = aside
        self._judged: OrderedDict[tuple[object, ...], Judged] = OrderedDict()

    async def of(self, load: LoadSpec, version: str) -> Judged:
        """Judge what *load* loads, of a model's files at *version*."""
        # What of a load its traits are read from; its context and slots change nothing.
        files = (load.weights, load.tokenizer_folder, load.runtime_library, load.projector)
        key = (version, load.backend, files, load.template, load.adapters, load.embeddings)
        found = self._judged.get(key)
        if found is None:
            found = await self._aside(judge, load)
            self._judged[key] = found
            while len(self._judged) > MOST_REMEMBERED:
                self._judged.popitem(last=False)
        self._judged.move_to_end(key)
        return found

    async def placed(
        self, model: Model, wish: Wish, lacks: Callable[[Traits], tuple[str, ...]]
    ) -> Wish:
        """
        Send *wish* past the NPU where the CPU alone can do all of it; only `auto` heeds that.

        Args:
            model: what is asked.
            wish: what is said of the load.
            lacks: names what of the request a model cannot do; vision has a way of its own.
        """
        asked = wish.backend not in {None, BackendChoice.AUTO}
        if asked or None in {model.weights_of(one) for one in Format}:
            return wish
        loads = {
            one.backend: one.load
            for one in self._prospects(model)
            if one.load is not None and one.obstacle is None
        }
        if len(loads) < len(BackendKind):
            return wish
        there, here = [
            lacks((await self.of(loads[one], model.version)).traits)
            for one in (BackendKind.NPU, BackendKind.CPU)
        ]
        if here or not there:
            return wish
        return replace(wish, beyond_npu=tuple(name for name in there if name != "vision"))

    def first(self, model: Model) -> BackendKind | None:
        """On which backend *model* runs if nobody asks otherwise; None where it cannot now."""
        return next((one.backend for one in self._prospects(model) if one.first), None)

    async def everywhere(self, model: Model) -> tuple[types.Capabilities, ...]:
        """Say what *model* can be asked for on each backend, NPU first, and what is in the way."""
        told = []
        for prospect in self._prospects(model):
            message = onwire.message(types.Capabilities, backend=prospect.backend)
            if prospect.load is not None:
                message.CopyFrom((await self.of(prospect.load, model.version)).message)
            obstacle = prospect.obstacle
            ready = model.state is ModelState.READY
            reason = model.reason if obstacle is None else obstacle.message
            message.available = obstacle is None and ready
            if not message.available:
                remedy = "" if obstacle is None else obstacle.remedy
                message.MergeFrom(onwire.message(types.Capabilities, reason=reason, remedy=remedy))
            told.append(message)
        return tuple(told)


def words(of_files: Iterable[str], told: Iterable[types.Capabilities]) -> list[str]:
    """
    The short list in words: what some backend of *told* supports.

    Args:
        of_files: the same as the files alone say: stands where no backend was judged, and says
            whether it is a model made to embed, which every model can.
        told: of the backends.
    """
    judged = [one for one in told if one.HasField("generate")]
    first = list(of_files)
    if not judged:
        return first
    made = ["embedding"] if "embedding" in first and _some(judged, "embed") else []
    if "embedding" not in first and _some(judged, "generate"):
        made = ["completion", *(name for name in _GENERATING if _some(judged, name))]
    return [*made, *(word for word, name in _BESIDE if _some(judged, name))]


def _some(judged: Iterable[types.Capabilities], name: str) -> bool:
    """Whether one of *judged* supports *name*; a chat without any template is none."""
    found = [getattr(one, name) for one in judged]
    return any(one.supported and one.details.get("template") != "none" for one in found)


def judge(load: LoadSpec) -> Judged:
    """Judge what *load* loads; reads its files."""
    traits, runtime = traits_of(load)
    judged = {name: _message(ability) for name, ability in abilities(traits).items()}
    message = onwire.message(
        types.Capabilities, backend=load.backend, available=True, runtime=runtime
    )
    for row in ROWS:
        field = message.sampling[row.name] if row.sampling else getattr(message, row.name)
        field.CopyFrom(judged[row.name])
    return Judged(traits, message)


def _message(ability: Ability) -> types.Capability:
    return onwire.message(
        types.Capability,
        supported=ability.supported,
        reason=ability.reason,
        remedy=ability.remedy,
        details=ability.details,
    )
