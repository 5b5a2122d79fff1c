"""Which chip weights are built for, by what a daemon says its board has."""

from __future__ import annotations

import re

_GRADED = re.compile(r"(rk35\d\d)(?:[jm]|[bs]\d?|t)?")
_SOLD_AS = {"rk3582": "rk3588", "rk3583": "rk3588"}


def platform_of(soc: str) -> str:
    """Return `rk3588` also for an RK3588S, an RK3588J or an RK3582; as `rkd.board.facts` has it."""
    graded = _GRADED.fullmatch(soc)
    return _SOLD_AS.get(graded[1], graded[1]) if graded else soc
