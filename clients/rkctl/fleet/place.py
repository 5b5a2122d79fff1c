"""Where a model fits best, of what each board plans: purely."""

from __future__ import annotations

from collections.abc import Iterable

from rkctl.fleet.several import Said
from rkd.v1 import pool_pb2 as pb
from rkd.v1 import types_pb2 as types


def best_first(said: Iterable[Said[pb.PlanResponse]]) -> list[Said[pb.PlanResponse]]:
    """
    Return the boards, the best for the model first.

    1. Where it is in memory already.
    2. Where it fits, on the NPU before the CPU.
    3. Where nobody has to leave for it, then where fewer do.
    4. Where most memory is left beside it.
    5. Where it does not fit; last, boards that lack it or do not answer.
    """
    return sorted(said, key=_key)


def fits(one: Said[pb.PlanResponse]) -> bool:
    """Whether the model can run there."""
    return one.answer is not None and (one.answer.fits or one.answer.resident)


def _key(one: Said[pb.PlanResponse]) -> tuple[bool, ...] | tuple[object, ...]:
    plan = one.answer
    if plan is None:
        return (True, True, True, True, 0, 0)
    return (
        False,
        not fits(one),
        not plan.resident,
        plan.backend != types.BACKEND_NPU,
        len(plan.evicting),
        plan.needed_bytes - plan.available_bytes,
    )
