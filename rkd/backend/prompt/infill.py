"""A beginning and an end as the token ids between which a model fills in; pure."""

from __future__ import annotations

from collections.abc import Callable

from rkd.capability.ability import no, refusal
from rkd.capability.infill import Infill
from rkd.capability.traits import Traits
from rkd.inference import Run

Encode = Callable[[str, bool], tuple[int, ...]]
"""The tokens of a text without any around it; whether special ones are read in it."""

_APART = "\u263a"
"""A character no tokenizer joins with what follows."""


def gap_of(
    run: Run, traits: Traits, encode: Encode, whole: Callable[[str], tuple[int, ...]]
) -> list[int] | None:
    """
    Return the prompt of *run* where a gap is filled in by tokens, else None.

    Args:
        run: what is asked.
        traits: the model's.
        encode: the model's tokenizer.
        whole: the same with the tokens the model wants around a text.

    Raises:
        PreconditionError: as `tokens_around`.
    """
    own = traits.overridden(run.template)
    if run.suffix is None or own.infill is None or own.fills_by_template:
        return None
    opening = opening_of(whole("a"), encode("a", False))
    return tokens_around(own.infill, run.prompt, run.suffix, encode, opening)


def tokens_around(
    infill: Infill, prefix: str, suffix: str, encode: Encode, bos: tuple[int, ...]
) -> list[int]:
    """
    Return the whole prompt.

    What the texts say of special tokens is text: code may hold any.

    Args:
        infill: the model's tokens for it.
        prefix: what stands before the gap.
        suffix: what stands behind it.
        encode: the model's tokenizer.
        bos: what the model wants before everything, if anything.

    Raises:
        PreconditionError: CAPABILITY_UNSUPPORTED, the tokenizer does not know the tokens.
    """
    first, *rest = _apart(prefix, infill.markers)
    before = [*_marker(infill.prefix, encode), *encode(first, False)]
    before += [token for piece in rest for token in _going_on(piece, encode)]
    behind = [*_marker(infill.suffix, encode)]
    behind += [
        token for piece in _apart(suffix, infill.markers) for token in _going_on(piece, encode)
    ]
    both = [*behind, *before] if infill.suffix_first else [*before, *behind]
    return [*bos, *both, *_marker(infill.middle, encode)]


def opening_of(whole: tuple[int, ...], plain: tuple[int, ...]) -> tuple[int, ...]:
    """What stands before the tokens *plain* of a text in its *whole* ones."""
    for at in range(len(whole) - len(plain) + 1):
        if whole[at : at + len(plain)] == plain:
            return whole[:at]
    return ()


def _apart(text: str, markers: tuple[str, ...]) -> list[str]:
    """
    Return *text* in pieces of which none holds a marker.

    Tokenizers read added tokens that are not marked as special in any text.
    """
    pieces = [text]
    for marker in markers:
        middle = len(marker) // 2
        halves = (marker[:middle], marker[middle:])
        cut: list[str] = []
        for piece in pieces:
            first, *others = piece.split(marker)
            cut.append(first)
            for other in others:
                cut[-1] += halves[0]
                cut.append(halves[1] + other)
        pieces = cut
    return pieces


def _marker(text: str, encode: Encode) -> tuple[int, ...]:
    tokens = encode(text, True) if text else ()
    if text and len(tokens) != 1:
        why = f"its tokenizer does not read {text} as one token"
        raise refusal("fim", no(why, "Use a model trained to fill in."))
    return tokens


def _going_on(text: str, encode: Encode) -> tuple[int, ...]:
    """The tokens of *text* without the blank some tokenizers put before every text."""
    apart = encode(_APART, False)
    plain = encode(text, False)
    if not text or encode(f"{_APART}a", False) == (*apart, *encode("a", False)):
        return plain
    joined = encode(_APART + text, False)
    return joined[len(apart) :] if joined[: len(apart)] == apart else plain
