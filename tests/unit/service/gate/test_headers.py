"""Which board answers, and for which board a call is."""

from __future__ import annotations

import pytest

from rkd.errors import Reason, UnavailableError
from rkd.service.gate.headers import Headers, check_board


class FakeContext:
    """What is sent of headers."""

    def __init__(self) -> None:
        self.sent: list[tuple[tuple[str, str], ...]] = []

    async def send_initial_metadata(self, pairs: tuple[tuple[str, str], ...]) -> None:
        """Keep them."""
        self.sent.append(pairs)


async def test_they_are_sent_once() -> None:
    """However often a message says that it is the first."""
    context = FakeContext()
    headers = Headers(context, "rock")
    await headers.begin()
    await headers.begin()

    assert context.sent == [(("x-rkd-board", "rock"),)]


async def test_a_board_without_a_name_tells_none() -> None:
    """The headers go out all the same: something waits for them."""
    context = FakeContext()
    await Headers(context, "").begin()

    assert context.sent == [()]


@pytest.mark.parametrize("wanted", [None, "rock", "ROCK"])
def test_a_call_for_this_board_or_for_any_is_taken(wanted: str | None) -> None:
    """Names of hosts know no case."""
    check_board({} if wanted is None else {"x-rkd-board": wanted}, "rock")


def test_a_call_for_another_board_is_refused() -> None:
    """Nothing is done on a board the caller does not mean; what is quoted is short."""
    with pytest.raises(UnavailableError) as caught:
        check_board({"x-rkd-board": "x" * 500}, "rock")

    assert caught.value.reason is Reason.WRONG_BOARD
    assert len(caught.value.message) < 200


def test_a_board_without_a_name_takes_all() -> None:
    """It cannot know better."""
    check_board({"x-rkd-board": "other"}, "")
