"""A measured rate beside the published one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any, Final

from rkd_client.errors import RkdError
from rkd_client.verbs import models as ask_models
from rkd_client.verbs import pool as ask_pool

from rkctl.measure.conditions import Condition, Held, Run, examine
from rkctl.measure.families import family_in
from rkctl.measure.looking import Seen
from rkctl.measure.published import Published, Unpublished, find
from rkctl.screen import render
from rkctl.session import CommandSession
from rkd.v1 import models_pb2, pool_pb2
from rkd.v1 import types_pb2 as types

LARGE_GAP: Final = 0.7
"""Of the published rate; below it the conditions are told."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """
    What was published, what of it was reached, and under which conditions.

    Args:
        row: the published row, or why there is none.
        part: the measured rate over the published one; 0 without a row.
    """

    row: Published | Unpublished
    part: float = 0.0
    conditions: tuple[Condition, ...] = ()

    def plain(self) -> dict[str, Any]:
        """Return it for JSON."""
        if isinstance(self.row, Unpublished):
            return {"published": None, "unpublished": self.row.why}
        told = [{**asdict(one), "state": one.state.value} for one in self.conditions]
        return {"published": asdict(self.row), "of_published": self.part, "conditions": told}

    def show(self) -> None:
        """Print it for people."""
        if isinstance(self.row, Unpublished):
            render.out(f"published: {self.row.why}")
            return
        row = self.row
        told = (
            f"{row.tokens_per_s:g} tokens/s with runtime {row.release}; here {self.part:.0%} of it"
        )
        render.out(f"published: {row}: {told}")
        if self.part < LARGE_GAP:
            render.out("What it was measured under there, and whether that held here:")
            render.table(("", "CONDITION", "SEEN HERE", "WHAT TO DO"), map(_cells, self.conditions))


def _cells(one: Condition) -> tuple[str, ...]:
    return one.state.value, one.what, one.seen, one.remedy if one.state is Held.DIFFERS else ""


@dataclass(frozen=True, slots=True)
class Measured:
    """What is compared: the median rate, where it ran, how."""

    model: str
    tokens_per_s: float
    backend: int
    parallel: int
    tokens: int
    seen: Seen


def compare(session: CommandSession, measured: Measured) -> Comparison:
    """Find the published row of what was measured, and judge its conditions."""
    if measured.backend != types.BACKEND_NPU:
        return Comparison(Unpublished("it ran on the CPU; the vendor publishes the NPU's rates"))
    try:
        shown = session.call(ask_models.show(measured.model))
    except RkdError as error:
        return Comparison(Unpublished(f"the model may not be asked for ({error.reason})"))
    before = measured.seen.before
    if before is None:
        return Comparison(Unpublished("the board may not be asked which chip it has"))
    names = names_of(shown)
    summary = shown.summary
    row = find(before.soc, family_in(names), summary.parameters, summary.quantization)
    if isinstance(row, Unpublished):
        return Comparison(row)
    run = Run(
        model=summary.name,
        names=names,
        residents=_residents(lambda: session.call(ask_pool.residents())),
        seen=measured.seen,
        parallel=measured.parallel,
        tokens=measured.tokens,
    )
    return Comparison(row, measured.tokens_per_s / row.tokens_per_s, examine(run, row))


def names_of(shown: models_pb2.ShowResponse) -> tuple[str, ...]:
    """Return what a model is called, the most telling first: its NPU file, origin, name."""
    files = (one.name for one in shown.weights if one.format == types.WEIGHTS_FORMAT_RKLLM)
    return (*files, shown.repository, shown.huggingface_path, shown.summary.name)


def _residents(
    ask: Callable[[], pool_pb2.ListResidentResponse],
) -> tuple[pool_pb2.Resident, ...] | None:
    try:
        return tuple(ask().residents)
    except RkdError:
        return None
