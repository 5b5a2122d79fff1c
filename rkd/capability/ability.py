"""Whether a capability is there, how, and if not why and what would bring it; and the refusal."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from rkd.errors import PreconditionError, Reason


@dataclass(frozen=True, slots=True)
class Ability:
    """
    What is to be said of one capability of one model on one backend.

    Args:
        supported: a request that needs it is served.
        reason: why not, a clause; "" where it is.
        remedy: what to do without it, or what would make it a yes: sentences; "" where it is.
        details: how, in typed words: `format`, `pooling`, `switch` ….
    """

    supported: bool
    reason: str = ""
    remedy: str = ""
    details: Mapping[str, str] = field(default_factory=dict)


def yes(**details: str) -> Ability:
    """Say that it is there; empty details are left out."""
    return Ability(True, details={name: one for name, one in details.items() if one})


def no(reason: str, remedy: str) -> Ability:
    """Say that it is not there."""
    return Ability(False, reason, remedy)


def refusal(capability: str, ability: Ability) -> PreconditionError:
    """Make the error of a request that needs *capability*, of which *ability* said no."""
    return PreconditionError(
        Reason.CAPABILITY_UNSUPPORTED,
        f"{capability} cannot be used with this model: {ability.reason}",
        remedy=ability.remedy,
        metadata={"capability": capability},
    )
