"""One row of the page of assumptions: what is assumed, how to see it, what a program saw."""

from __future__ import annotations

import enum
from collections.abc import Callable
from dataclasses import dataclass

from rkctl.verify.probe import Probe


class Result(enum.StrEnum):
    """How a row stands on this board; the words are printed and reported."""

    HOLDS = "holds"
    DIFFERS = "differs"
    NOT_APPLICABLE = "not applicable"


@dataclass(frozen=True, slots=True)
class Found:
    """
    What a check saw.

    Args:
        seen: in words, without a model's name, a prompt, a path or an address.
    """

    result: Result
    seen: str


def holds(seen: str = "") -> Found:
    """The board does as assumed."""
    return Found(Result.HOLDS, seen)


def differs(seen: str) -> Found:
    """The board does otherwise."""
    return Found(Result.DIFFERS, seen)


def not_applicable(why: str) -> Found:
    """Nothing can be said here."""
    return Found(Result.NOT_APPLICABLE, why)


def by_hand(why: str) -> Callable[[Probe], Found]:
    """Make the check of a row only a person can judge."""
    return lambda _: not_applicable(f"by hand: {why}")


@dataclass(frozen=True, slots=True)
class Row:
    """
    One assumption.

    Args:
        number: as people cite it; never given to another.
        section: heading it stands under.
        assumed: what rkd takes for granted.
        command: what a person types to see for himself.
        expected: what he should see.
        check: what a program does instead; it restores what it changes.
    """

    number: str
    section: str
    assumed: str
    command: str
    expected: str
    check: Callable[[Probe], Found]
