"""A vector as it was asked for: its leading dimensions, of length 1. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence

from rkd.errors import bad_field
from rkd.inference import EmbedSpec


def shaped(vector: Sequence[float], spec: EmbedSpec) -> tuple[float, ...]:
    """
    The first dimensions of *vector* that *spec* asks for, then of length 1 where it wants that.

    Raises:
        InvalidInputError: INVALID_FIELD, the model has fewer dimensions.
    """
    if spec.dimensions > len(vector):
        what = f"should be at most {len(vector)}, what this model makes, not {spec.dimensions}"
        raise bad_field("dimensions", what)
    kept = tuple(vector[: spec.dimensions or None])
    length = math.sqrt(sum(value * value for value in kept))
    return tuple(value / length for value in kept) if spec.normalize and length else kept
