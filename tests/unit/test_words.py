"""Numbers as people read them."""

from __future__ import annotations

import pytest

from rkd.words import size


@pytest.mark.parametrize(
    ("count_bytes", "words"),
    [
        (0, "0 MiB"),
        (420 << 20, "420 MiB"),
        ((1 << 30) - (1 << 20), "1023 MiB"),
        (3 << 30, "3.0 GiB"),
    ],
)
def test_size(count_bytes: int, words: str) -> None:
    """Sizes below a GiB are whole MiB, above it GiB with one digit."""
    assert words == size(count_bytes)
