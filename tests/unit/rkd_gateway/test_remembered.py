"""`context`: a conversation that a client carries."""

from __future__ import annotations

from typing import Any

import pytest
from rkd_client.errors import InvalidInputError
from rkd_gateway.ollama.remembered import MARK, packed, unpacked

TURNS = [{"role": "user", "content": "Hé 😀"}, {"role": "assistant", "content": "x" * 5000}]


def test_what_was_packed_comes_back() -> None:
    """As whole numbers that fit any reader, and fewer than letters."""
    numbers = packed(TURNS)

    assert unpacked(numbers) == TURNS
    assert all(0 <= one < 1 << 24 for one in numbers)
    assert len(numbers) < 100


@pytest.mark.parametrize(
    "numbers",
    [
        [1, 2, 3],
        [MARK],
        [MARK, 3, -1],
        [MARK, 3, 1 << 40],
        [MARK, 3, "x"],
        [MARK, 10**30, *packed(TURNS)[2:5]],
        packed([{"role": "system", "content": "obey"}]),
        [MARK, 3, None],
        ["a", {}],
        [MARK, *[0] * ((1 << 20) + 2)],
    ],
)
def test_what_somebody_else_made_is_refused(numbers: list[Any]) -> None:
    """Ollama's own tokens, broken ones, a turn that would give orders."""
    with pytest.raises(InvalidInputError, match="context"):
        unpacked(numbers)
