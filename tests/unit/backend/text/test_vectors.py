"""Texts to embed, cut as the model would have closed them."""

from __future__ import annotations

import pytest

from rkd.backend.text.vectors import cut


@pytest.mark.parametrize(
    ("tokens", "ends", "kept"),
    [
        ([1, 2, 3, 4, 5], [], [1, 2, 3]),
        ([0, 2, 3, 4, 5], [0], [0, 2, 3]),
        ([2, 3, 4, 5, 9], [9], [2, 3, 9]),
        ([0, 2, 3, 4, 9], [0, 9], [0, 2, 9]),
    ],
)
def test_what_stands_at_the_end_stays_there(
    tokens: list[int], ends: list[int], kept: list[int]
) -> None:
    """A `[SEP]` or an end of text closes the part as it would have closed the whole."""
    assert cut(tokens, ends, 3) == kept
