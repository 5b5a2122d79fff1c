"""Verdicts for this board."""

from __future__ import annotations

import pytest

from rkd.hub.fit import FitVerdict, judge
from rkd.hub.headroom import Headroom
from rkd.hub.listing import RemoteFile
from rkd.hub.variants import Variant
from rkd.model import Details, Format

GIB = 1 << 30
FILE = RemoteFile("m-w8a8.rkllm", GIB, "sha256", "a" * 64)


def rkllm(platform: str) -> Variant:
    """Make a .rkllm for a chip."""
    return Variant((FILE,), Format.RKLLM, "w8a8", platform=platform)


@pytest.mark.parametrize(
    ("platform", "capacity", "verdict", "words"),
    [
        ("rk3588", Headroom(8 * GIB, 8 * GIB, "rk3588", 4096), FitVerdict.FITS, "available"),
        ("rk3576", Headroom(8 * GIB, 8 * GIB, "rk3588", 4096), FitVerdict.WRONG_PLATFORM, "rk3576"),
        ("rk3588", Headroom(8 * GIB, 8 * GIB, "", 4096), FitVerdict.WRONG_PLATFORM, "needs an NPU"),
        (
            "rk3588",
            Headroom(8 * GIB, 8 * GIB, "", 4096, chip="rk3588", obstacle="driver 0.9.2 is old"),
            FitVerdict.UNKNOWN,
            "driver 0.9.2 is old",
        ),
        (
            "rk3576",
            Headroom(8 * GIB, 8 * GIB, "", 4096, chip="rk3588", obstacle="driver 0.9.2 is old"),
            FitVerdict.WRONG_PLATFORM,
            "made for rk3576, this is rk3588",
        ),
    ],
)
def test_an_old_driver_is_no_wrong_platform(
    platform: str, capacity: Headroom, verdict: FitVerdict, words: str
) -> None:
    """The chip decides on the platform; what keeps its NPU from being used is told as itself."""
    judgement = judge(rkllm(platform), Details(), capacity)

    assert judgement.verdict is verdict
    assert words in judgement.detail
