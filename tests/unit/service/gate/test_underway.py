"""Calls under way, and a daemon that takes no more of them."""

from __future__ import annotations

import pytest

from rkd.errors import Reason, UnavailableError
from rkd.service.gate.underway import STILL_TAKEN, UnderWay

GENERATE = "/rkd.v1.InferenceService/Generate"


async def test_it_ends_with_the_last_call() -> None:
    """Not with the first of two, and at once where there is none."""
    calls = UnderWay()
    idle_at_first = await calls.ended(0)
    with calls.one(GENERATE):
        with calls.one(GENERATE):
            pass
        with_one_left = await calls.ended(0)

    assert (idle_at_first, with_one_left, await calls.ended(0)) == (True, False, True)


async def test_what_is_new_is_refused() -> None:
    """With a time to come back; what runs is not touched."""
    calls = UnderWay()
    with calls.one(GENERATE):
        calls.refuse()
        with pytest.raises(UnavailableError) as caught, calls.one(GENERATE):
            pass
        still_there = not await calls.ended(0)

    assert (caught.value.reason, caught.value.retry_after_s) == (Reason.SHUTTING_DOWN, 2.0)
    assert still_there


@pytest.mark.parametrize("method", sorted(STILL_TAKEN))
async def test_what_ends_or_shows_the_rest_is_taken(method: str) -> None:
    """A client can still end what runs, and look."""
    calls = UnderWay()
    calls.refuse()
    with calls.one(method):
        assert not await calls.ended(0)
