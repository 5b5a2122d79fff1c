"""Numbers as people read them."""

from __future__ import annotations

import pytest
from rkd_console.pages.stock import figures


@pytest.mark.parametrize(
    ("count_bytes", "said"),
    [
        (0, figures.NOTHING),
        (-5, figures.NOTHING),
        (1, "1 B"),
        (999, "999 B"),
        (999.7, "1.0 kB"),
        (1_000, "1.0 kB"),
        (469_424, "469 kB"),
        (999_900, "1.0 MB"),
        (12_600_000, "12.6 MB"),
        (3_100_000_000, "3.1 GB"),
        (10**21, "1000000 PB"),
    ],
)
def test_sizes(count_bytes: float, said: str) -> None:
    """Decimal, never `1000 kB`."""
    assert figures.size(count_bytes) == said


@pytest.mark.parametrize(
    ("number", "said"),
    [(0, figures.NOTHING), (7, "7"), (1_000, "1K"), (12_345, "12.3K"), (1_100_000_000, "1.1B")],
)
def test_counts(number: int, said: str) -> None:
    """As rkctl writes them; what nobody knows is a dash, what was counted is a 0."""
    assert figures.count(number) == said
    assert figures.tally(number) == (said if number else "0")


@pytest.mark.parametrize(
    ("left_s", "said"), [(-1, "0:00"), (7.4, "0:07"), (750, "12:30"), (11_040, "3:04:00")]
)
def test_time_left(left_s: float, said: str) -> None:
    """Minutes and seconds, hours where there are any."""
    assert figures.clock(left_s) == said
