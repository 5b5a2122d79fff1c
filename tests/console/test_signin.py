"""Who is let in, with which rights, and for how long."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest
from rkd_client.endpoint import Endpoint
from rkd_client.errors import ExhaustedError, ForbiddenError, UnauthenticatedError
from rkd_client.v1.access import WhoAmIResponse
from rkd_client.v1.system import GetStatusResponse
from rkd_client.where import Where
from rkd_console.signin import IDLE_S, LONGEST_S, MOST, WRONG, WRONG_WITHIN_S, Sessions

from rkd.access.role import Role

OURS = "ours"
TCP = ("unix:/run/rkd/rkd.sock", "127.0.0.1:7588")


@dataclass
class Board:
    """A daemon's door: its tokens with their roles, and where it listens."""

    tokens: dict[str, str] = field(default_factory=dict)
    addresses: tuple[str, ...] = TCP
    asked: list[tuple[str, tuple[tuple[str, str], ...]]] = field(default_factory=list)


class FakeClient:
    """As much of `AsyncClient` as signing in uses."""

    def __init__(self, board: Board, token: str, metadata: Any = ()) -> None:
        self._board, self._token, self._metadata = board, token, metadata

    def using(self, *, token: str | None = None, metadata: Any = None, timeout: Any = None) -> Any:
        """Return one that asks as another."""
        del timeout
        token = self._token if token is None else token
        given = self._metadata if metadata is None else tuple(metadata.items())
        return FakeClient(self._board, token, given)

    def _role(self) -> str:
        self._board.asked.append((self._token, self._metadata))
        if self._token:
            if self._token in self._board.tokens:
                return self._board.tokens[self._token]
            if self._board.tokens:
                raise UnauthenticatedError("TOKEN_INVALID", "nobody has that token")
        elif self._board.tokens:
            raise UnauthenticatedError("TOKEN_MISSING", "a token is wanted")
        assert self._metadata, "the console's own rights were used"
        return "admin"

    async def status(self) -> GetStatusResponse:
        """Answer whom the door lets in."""
        self._role()
        return GetStatusResponse(addresses=self._board.addresses)

    async def whoami(self) -> WhoAmIResponse:
        """Tell the role."""
        return WhoAmIResponse(name="x", role=self._role())  # type: ignore[arg-type]


class Clock:
    """A clock that is set."""

    now_s = 1_000.0

    def __call__(self) -> float:
        """Return what it is set to."""
        return self.now_s


def sessions(board: Board, *, over: str = "unix", clock: Clock | None = None) -> Sessions:
    """Return the sessions of a console before *board*."""
    there = Endpoint(path="/run/rkd/rkd.sock") if over == "unix" else Endpoint(host="b", port=1)
    return Sessions(FakeClient(board, OURS), Where((there,)), clock or Clock())  # type: ignore[arg-type]


async def test_a_token_decides_alone() -> None:
    """Every call of the session carries it, and its role is the daemon's word."""
    board = Board({"good": "manage"})
    made = sessions(board)
    name = await made.begin("good", peer="10.0.0.7", is_local=False)
    session = made.find(name)

    assert session is not None
    assert (session.role, session.has_token) == (Role.MANAGE, True)
    board.asked.clear()
    await session.client.status()
    assert board.asked == [("good", ())]


async def test_the_consoles_own_rights_are_never_used() -> None:
    """Whatever is asked at the door, it is as the caller or as nobody."""
    board = Board()
    made = sessions(board)
    await made.begin("", peer="127.0.0.1", is_local=True)

    assert all(token != OURS and metadata for token, metadata in board.asked)


async def test_who_reaches_loopback_gets_no_more_than_he_has_without_us() -> None:
    """A daemon on its socket alone lets its group in: without a token nobody else comes through."""
    made = sessions(Board(addresses=("unix:/run/rkd/rkd.sock",)))

    assert not await made.is_open()
    with pytest.raises(UnauthenticatedError, match="token"):
        await made.begin("", peer="127.0.0.1", is_local=True)


@pytest.mark.parametrize("address", ["127.0.0.1:7588", "[::1]:7588", "0.0.0.0:7588", "[::]:7588"])
async def test_an_open_loopback_of_the_daemon_is_open_here_too(address: str) -> None:
    """Whoever is on this machine could ask there himself."""
    made = sessions(Board(addresses=("unix:/s", address)))

    assert await made.is_open()


async def test_other_machines_never_come_without_a_token_that_can_be_judged() -> None:
    """None, or any at all while the board has none to compare."""
    made = sessions(Board())
    with pytest.raises(UnauthenticatedError):
        await made.begin("", peer="10.0.0.7", is_local=False)
    with pytest.raises(ForbiddenError):
        await made.begin("anything", peer="10.0.0.7", is_local=False)


async def test_once_tokens_exist_this_machine_needs_one_too() -> None:
    """Also over the daemon's socket."""
    with pytest.raises(UnauthenticatedError):
        await sessions(Board({"good": "read"})).begin("", peer="127.0.0.1", is_local=True)


async def test_who_guesses_waits_and_others_do_not() -> None:
    """By address, and for a minute; a good token always passes, so that nobody is locked out."""
    clock = Clock()
    made = sessions(Board({"good": "read"}), clock=clock)
    for _ in range(WRONG):
        with pytest.raises(UnauthenticatedError):
            await made.begin("bad", peer="10.0.0.7", is_local=False)
    with pytest.raises(ExhaustedError) as told:
        await made.begin("bad", peer="10.0.0.7", is_local=False)
    assert told.value.retry_after_s
    with pytest.raises(UnauthenticatedError):
        await made.begin("bad", peer="10.0.0.8", is_local=False)
    assert await made.begin("good", peer="10.0.0.7", is_local=False)
    clock.now_s += WRONG_WITHIN_S
    with pytest.raises(UnauthenticatedError):
        await made.begin("bad", peer="10.0.0.7", is_local=False)


async def test_a_session_ends_by_itself() -> None:
    """After long, and after being left alone; what is heard of goes on."""
    clock = Clock()
    made = sessions(Board({"good": "read"}), clock=clock)
    idle = await made.begin("good", peer="", is_local=True)
    busy = await made.begin("good", peer="", is_local=True)
    session = made.find(busy)
    assert session is not None
    begun_s = clock.now_s
    while clock.now_s < begun_s + LONGEST_S:
        assert made.find(busy) is not None
        clock.now_s += IDLE_S * 0.9
        if clock.now_s - begun_s > IDLE_S:
            assert made.find(idle) is None
    assert made.find(busy) is None
    assert session.ended.is_set()
    assert not made.is_any


async def test_names_are_long_and_never_again() -> None:
    """A session's name cannot be guessed; one that ended is nothing."""
    made = sessions(Board({"good": "read"}))
    names = [await made.begin("good", peer="", is_local=True) for _ in range(20)]

    assert len(set(names)) == 20
    assert min(map(len, names)) >= 43
    made.end(names[0])
    assert made.find(names[0]) is None
    assert made.find("") is None


async def test_there_is_an_end_to_how_many_there_are() -> None:
    """The one idle for longest makes room."""
    clock = Clock()
    made = sessions(Board({"good": "read"}), clock=clock)
    first = await made.begin("good", peer="", is_local=True)
    for _ in range(MOST):
        clock.now_s += 1
        last = await made.begin("good", peer="", is_local=True)

    assert made.find(first) is None
    assert made.find(last) is not None
