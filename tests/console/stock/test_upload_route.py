"""The way of a dropped file through the console: judged, passed on, never kept."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any, cast

import pytest
from rkd_client.errors import ExhaustedError, ForbiddenError, InvalidInputError, RkdError
from rkd_client.passing import Stands
from rkd_console.asked import NOW, PageRequest
from rkd_console.pages.stock.upload_route import ADDRESS, answer
from rkd_console.signin import SignedIn
from starlette.applications import Starlette
from starlette.testclient import TestClient
from starlette.types import Receive, Scope, Send

DIGEST = f"sha256:{'a' * 64}"
WHERE = f"{ADDRESS}?digest={DIGEST}"


@dataclass
class FakeStore:
    """Takes uploads as a client of the daemon does."""

    committed: int = 0
    taken: bytes = b""
    wrong: RkdError | None = None
    offsets: list[int] = field(default_factory=list)

    async def stands(self, digest: str) -> Stands:
        """Tell how much there is."""
        assert digest == DIGEST
        return Stands(self.committed + len(self.taken), complete=len(self.taken) == 5)

    async def send(
        self, digest: str, pieces: AsyncIterator[bytes], size: int, *, offset_bytes: int
    ) -> None:
        """Take what comes."""
        assert (digest, size) == (DIGEST, 10)
        self.offsets.append(offset_bytes)
        if self.wrong is not None:
            raise self.wrong
        async for piece in pieces:
            self.taken += piece


def reached(store: FakeStore | None) -> TestClient:
    """A browser of somebody signed in, or of nobody."""
    inner = Starlette()
    inner.add_route(ADDRESS, answer, methods=["POST", "PUT"])

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        session = (
            None if store is None else SignedIn(cast("Any", store), cast("Any", 3), True, 0, 0)
        )
        NOW.set(PageRequest(session, "", "en", None))
        await inner(scope, receive, send)

    return TestClient(app)


def test_it_is_asked_and_passed_on_from_where_it_stands() -> None:
    """Only the rest, and never more than was announced."""
    store = FakeStore(committed=5)
    browser = reached(store)

    assert browser.post(f"{WHERE}&size=10").json() == {"committed": 5, "complete": False}
    told = browser.put(f"{WHERE}&size=10&offset=5", content=b"12345 and more").json()
    assert told == {"committed": 10, "complete": True}
    assert (store.taken, store.offsets) == (b"12345", [5])


def test_nobody_gets_in_without_a_session() -> None:
    """Whatever stands before it."""
    assert reached(None).post(f"{WHERE}&size=1").status_code == 401


@pytest.mark.parametrize(
    "query",
    [
        "?size=1",
        "?digest=md5:1&size=1",
        f"?digest={DIGEST}",
        f"?digest={DIGEST}&size=-1",
        f"?digest={DIGEST}&size=1e9",
        f"?digest={DIGEST}&size={10**14}",
        f"?digest=sha256:{'A' * 64}&size=1",
    ],
)
def test_what_is_no_upload_is_refused(query: str) -> None:
    """Before the daemon hears of it."""
    assert reached(FakeStore()).post(f"{ADDRESS}{query}").status_code == 400


@pytest.mark.parametrize(
    ("wrong", "status"),
    [
        (InvalidInputError("UPLOAD_OFFSET", "elsewhere"), 409),
        (InvalidInputError("INVALID_FIELD", "bad"), 400),
        (ForbiddenError("ROLE_FORBIDS", "no", remedy="ask"), 403),
        (ExhaustedError("DISK_FULL", "full"), 413),
        (RkdError("INTERNAL", "\u202ebroken"), 500),
    ],
)
def test_a_refusal_says_whether_to_try_again(wrong: RkdError, status: int) -> None:
    """A status the browser decides by, and words that can be shown."""
    told = reached(FakeStore(wrong=wrong)).put(f"{WHERE}&size=10&offset=0", content=b"x")

    assert told.status_code == status
    assert told.json()["reason"] == wrong.reason
    assert "\u202e" not in told.json()["error"]
