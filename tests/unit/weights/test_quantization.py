"""What a kind of quantization says of sizes."""

from __future__ import annotations

import pytest

from rkd.weights.quantization import guessed_bytes


@pytest.mark.parametrize(
    ("quantization", "bits"),
    [("Q4_K_M", 4.5), ("Q8_0", 8.5), ("F16", 16), ("IQ4_XS", 4.25), ("w8a8", 8), ("w4a16_g128", 4)],
)
def test_sizes_are_guessed_by_the_bits_of_the_kind(quantization: str, bits: float) -> None:
    """The longest kind that fits the name decides; a kind nobody knows gives no guess."""
    assert guessed_bytes(8_000_000, quantization) == 1_000_000 * bits
    assert guessed_bytes(0, quantization) == 0
    assert guessed_bytes(8_000_000, "very small") == 0
