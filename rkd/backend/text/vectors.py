"""Texts to embed as they fit, vectors as they were asked for. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence

from rkd.errors import BeyondRangeError, Reason, Violation, bad_field
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


def too_long(at: int, tokens: int, limit: int) -> BeyondRangeError:
    """The text at place *at* has more tokens than the context."""
    field = f"inputs[{at}]"
    return BeyondRangeError(
        Reason.CONTEXT_LENGTH_EXCEEDED,
        f"{field} has {tokens} tokens, the context holds {limit}.",
        remedy="Shorten it, ask for `truncate`, or for a longer context.",
        metadata={"prompt_tokens": str(tokens), "limit": str(limit), "input": str(at)},
        violations=(Violation(field, f"should have at most {limit} tokens, not {tokens}"),),
    )


def cut(tokens: Sequence[int], ends: Sequence[int], limit: int) -> list[int]:
    """
    The beginning of *tokens* that fits *limit*, closed as the whole was.

    Args:
        tokens: the text's, with those the model wants around it.
        ends: those of an empty text.
        limit: most of them.
    """
    closing = list(ends[-1:])
    opens = len(ends) == 1 and list(tokens[:1]) == closing
    if list(tokens[-1:]) != closing or opens:
        closing = []  # what the model wants stands before the text
    return [*tokens[: limit - len(closing)], *closing]
