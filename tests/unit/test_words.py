"""Numbers as people read them."""

from __future__ import annotations

import pytest

from rkd.words import size


@pytest.mark.parametrize(
    ("count_bytes", "words"),
    [
        (0, "0 MB"),
        (420 * 10**6, "420 MB"),
        (999 * 10**6, "999 MB"),
        (3 * 10**9, "3.0 GB"),
        (3 << 30, "3.2 GB"),
    ],
)
def test_size(count_bytes: int, words: str) -> None:
    """Sizes below a GB are whole MB, above it GB with one digit; 1 GB is 10^9 bytes."""
    assert words == size(count_bytes)
