"""A beginning and an end become the prompt between whose parts a model fills in."""

from __future__ import annotations

import pytest

from rkd.backend.prompt.infill import opening_of, tokens_around
from rkd.capability.infill import Infill
from rkd.errors import PreconditionError

PSM = Infill("<pre>", "<suf>", "<mid>")
SPM = Infill("<pre>", "<suf>", suffix_first=True)


class Letters:
    """
    A tokenizer whose tokens are letters, and its markers one each.

    Args:
        blank: it puts one before every text, as SentencePiece's do.
        always: markers are read in any text, as added tokens that are not special are.
    """

    def __init__(self, *, blank: bool = False, always: bool = False) -> None:
        self._blank = blank
        self._always = always

    def __call__(self, text: str, special: bool) -> tuple[int, ...]:  # noqa: FBT001 - `Encode`
        """Return the tokens of *text*."""
        if special and text in PSM.markers:
            return (1000 + PSM.markers.index(text),)
        tokens: list[int] = []
        text = f" {text}" if self._blank and text else text
        while text:
            found = next((one for one in PSM.markers if text.startswith(one)), "")
            whole = found if found and (self._always or special) else ""
            tokens.append(1000 + PSM.markers.index(whole) if whole else ord(text[0]))
            text = text[len(whole) or 1 :]
        return tuple(tokens)


def shown(tokens: list[int]) -> str:
    """The tokens as text, markers as P, S and M."""
    return "".join("PSM"[one - 1000] if one >= 1000 else chr(one) for one in tokens)


@pytest.mark.parametrize(
    ("infill", "expected"), [(PSM, "^PabScdM"), (SPM, "^ScdPab")], ids=["prefix first", "suffix"]
)
def test_each_part_stands_behind_its_token(infill: Infill, expected: str) -> None:
    """In the family's order, what the model wants before everything first."""
    assert shown(tokens_around(infill, "ab", "cd", Letters(), (ord("^"),))) == expected


@pytest.mark.parametrize(("prefix", "suffix"), [("", "cd"), ("ab", ""), ("", "")])
def test_a_part_may_be_empty(prefix: str, suffix: str) -> None:
    """Its token stands all the same."""
    assert shown(tokens_around(PSM, prefix, suffix, Letters(), ())) == f"P{prefix}S{suffix}M"


def test_no_blank_is_put_into_the_gap() -> None:
    """A tokenizer that puts one before every text would put it behind what is filled in."""
    assert shown(tokens_around(PSM, "ab", "cd", Letters(blank=True), ())) == "P abScdM"


@pytest.mark.parametrize("blank", [False, True])
def test_what_a_text_says_of_tokens_is_text(*, blank: bool) -> None:
    """Also where the tokenizer reads them anywhere."""
    prefix, suffix = "a<mid>b<pre>", "<suf><mid>c"
    made = tokens_around(PSM, prefix, suffix, Letters(blank=blank, always=True), ())

    assert shown(made) == f"P{' ' * blank}{prefix}S{suffix}M"


def test_a_tokenizer_that_does_not_know_the_tokens() -> None:
    """It would read them as letters: refused by name."""
    strange = Infill("<other>", "<suf>", "<mid>")
    with pytest.raises(PreconditionError, match="<other>") as caught:
        tokens_around(strange, "a", "b", Letters(), ())
    assert caught.value.metadata == {"capability": "fim"}


def test_what_stands_before_a_text_is_its_opening() -> None:
    """Not what closes it."""
    assert opening_of((9, 1, 2, 8), (1, 2)) == (9,)
    assert opening_of((1, 2), (1, 2)) == opening_of((3,), (1, 2)) == ()
