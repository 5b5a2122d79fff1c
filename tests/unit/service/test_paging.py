"""Pages show everything once, whatever comes and goes between them."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rkd.errors import InvalidInputError
from rkd.service.paging import DEFAULT_SIZE, MAX_SIZE, page


@given(items=st.sets(st.text(min_size=1, max_size=4), max_size=20), size=st.integers(1, 7))
def test_all_pages_are_the_whole(items: set[str], size: int) -> None:
    """In order, each item once, no page longer than asked, and an end."""
    listing, seen, token = sorted(items), [], ""
    for _ in range(len(items) + 1):
        shown, token = page(listing, str, size, token)
        assert len(shown) <= size
        seen += shown
        if not token:
            break

    assert (seen, token) == (listing, "")


def test_what_comes_or_goes_moves_nothing_else() -> None:
    """The token is a place: the item it names may be gone."""
    shown, token = page(["a", "b", "c", "d"], str, 2, "")

    assert shown == ["a", "b"]
    assert page(["aa", "c", "d"], str, 2, token) == (["c", "d"], "")
    assert page(["a"], str, 2, token) == ([], "")


def test_sizes_have_a_default_and_a_limit() -> None:
    """0 says nothing."""
    many = [f"{at:05}" for at in range(MAX_SIZE + 5)]

    assert len(page(many, str, 0, "")[0]) == DEFAULT_SIZE
    assert len(page(many, str, 10**6, "")[0]) == MAX_SIZE


@pytest.mark.parametrize("token", ["?", "abc", base64.urlsafe_b64encode(b"\xff").decode(), "é"])
def test_a_token_of_somebody_elses_is_refused(token: str) -> None:
    """By name."""
    with pytest.raises(InvalidInputError) as caught:
        page([], str, 1, token)

    assert caught.value.violations[0].field == "page_token"


def test_a_negative_size_is_refused() -> None:
    """By name."""
    with pytest.raises(InvalidInputError) as caught:
        page([], str, -1, "")

    assert caught.value.violations[0].field == "page_size"


def test_a_key_that_is_no_utf8_makes_a_token_all_the_same() -> None:
    """One odd name ends no listing."""
    items = ["a", "b\udce9", "c"]
    shown, token = page(items, str, 2, "")
    rest, end = page(items, str, 2, token)

    assert (list(shown), list(rest), end) == (["a", "b\udce9"], ["c"], "")
