"""
Who is signed in: a daemon's token becomes a session, and a session a cookie.

The console has no rights of its own. A session holds the client with which its pages ask the
daemon; the browser holds nothing but the session's name, which is no use elsewhere.

1. A token is passed on, and the daemon judges it alone.
2. Without one only a browser on this machine is let in, and only where any program of this machine
   could ask the daemon the same without us: its own listener on loopback is open since no tokens
   exist. Our way to its unix socket is nobody's (`rkd_web.whose`).
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from rkd_client import AsyncClient
from rkd_client.errors import ExhaustedError, ForbiddenError, UnauthenticatedError
from rkd_client.where import Where
from rkd_web.whose import NOBODY

from rkd.access.role import Role
from rkd.setting import is_loopback

LONGEST_S: Final = 12 * 3600.0
"""A session ends so long after it began, whatever happens in it."""

IDLE_S: Final = 2 * 3600.0
"""And so long after the last request or page of it."""

ANYWHERE: Final = frozenset({"", "*", "0.0.0.0", "::"})  # noqa: S104 - compared with

MOST: Final = 256
"""Sessions at once; the one idle for longest goes."""

ASKING_S: Final = 5.0
WRONG: Final = 10
WRONG_WITHIN_S: Final = 60.0
"""So many wrong tokens from one address within so long, and it is told to wait."""


@dataclass(slots=True, eq=False)
class SignedIn:
    """
    One person signed in.

    Args:
        client: asks the daemon with his rights.
        role: what he may do, as the daemon said when he signed in.
        has_token: whether he gave one.
        begun_s: when, on the sessions' clock.
        seen_s: when he was last heard of.
        ended: set once it is over.
    """

    client: AsyncClient
    role: Role
    has_token: bool
    begun_s: float
    seen_s: float
    ended: asyncio.Event = field(default_factory=asyncio.Event)


class Sessions:
    """
    Everybody who is signed in.

    Args:
        client: of the daemon; its own rights are never used.
        where: the daemon is looked for.
        clock: seconds, monotonic.
    """

    def __init__(
        self, client: AsyncClient, where: Where, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._nobody = client.using(token="", metadata=NOBODY)
        self._over_tcp = not any(one.path for one in where.endpoints)
        self._clock = clock
        self._held: dict[str, SignedIn] = {}
        self._wrong: dict[str, list[float]] = {}

    def find(self, name: str) -> SignedIn | None:
        """Return the session called *name*, heard of now; None for none."""
        session = self._held.get(name)
        if session is None:
            return None
        now = self._clock()
        if now - session.begun_s > LONGEST_S or now - session.seen_s > IDLE_S:
            self.end(name)
            return None
        session.seen_s = now
        return session

    def end(self, name: str) -> None:
        """Sign out; what its pages do ends."""
        session = self._held.pop(name, None)
        if session is not None:
            session.ended.set()

    @property
    def is_any(self) -> bool:
        """Whether somebody is signed in."""
        for name in tuple(self._held):
            session, now = self._held[name], self._clock()
            if now - session.begun_s > LONGEST_S or now - session.seen_s > IDLE_S:
                self.end(name)
        return bool(self._held)

    async def begin(self, token: str, *, peer: str, is_local: bool) -> str:
        """
        Sign in with *token*, or as anybody of this machine where that is enough.

        Args:
            token: what was typed; "" for none.
            peer: address of the browser, "" for a unix socket.
            is_local: whether it is on this machine, with no proxy between.

        Returns:
            the session's name, for the cookie.

        Raises:
            RkdError: why not.
        """
        if not token and not is_local:
            raise _missing()
        try:
            client = await self._admitted(token, is_local=is_local)
        except UnauthenticatedError as error:
            if wait_s := self._count(peer):
                said = "too many wrong tokens from there"
                raise ExhaustedError("AUTH_RATE_LIMITED", said, retry_after_s=wait_s) from error
            raise
        role = await _role_of(client.using(timeout=ASKING_S))
        now = self._clock()
        self._make_room()
        name = secrets.token_urlsafe(32)
        self._held[name] = SignedIn(client, role, bool(token), now, now)
        return name

    async def is_open(self) -> bool:
        """Tell whether any program of this machine may ask the daemon without a token."""
        try:
            status = await self._nobody.using(timeout=ASKING_S).status()
        except UnauthenticatedError:
            return False
        # Over its unix socket the daemon takes nobody for a caller on loopback; that says nothing
        # where it has no listener there, and the socket's file mode keeps others out.
        return self._over_tcp or any(_is_loopback(one) for one in status.addresses)

    async def _admitted(self, token: str, *, is_local: bool) -> AsyncClient:
        if not token:
            if not await self.is_open():
                raise _missing()
            return self._nobody
        if not await self.is_open():
            bearer = self._nobody.using(token=token, metadata={})
            await bearer.using(timeout=ASKING_S).status()
            return bearer
        if is_local:  # no tokens exist, so none is wanted
            return self._nobody
        raise ForbiddenError(
            "ROLE_FORBIDS",
            "this board has no tokens yet, so that it could not tell a wrong one",
            remedy="make one on the board: rkctl token create",
        )

    def _count(self, peer: str) -> float:
        """
        Count a wrong token from *peer*; return for how many seconds it should wait, or 0.

        A good one passes all the same: it cannot be guessed, and a stranger locks nobody out.
        """
        now = self._clock()
        recent = [one for one in self._wrong.pop(peer, ()) if now - one < WRONG_WITHIN_S]
        self._wrong[peer] = recent = [*recent[-WRONG:], now]
        while len(self._wrong) > MOST:
            self._wrong.pop(next(iter(self._wrong)))
        return WRONG_WITHIN_S - (now - recent[0]) if len(recent) > WRONG else 0.0

    def _make_room(self) -> None:
        while len(self._held) >= MOST:
            self.end(min(self._held, key=lambda one: self._held[one].seen_s))


def _missing() -> UnauthenticatedError:
    return UnauthenticatedError(
        "TOKEN_MISSING",
        "signing in needs an access token",
        remedy="make one on the board: rkctl token create --role manage",
    )


def _is_loopback(address: str) -> bool:
    host = address.rpartition(":")[0].strip("[]")
    return not address.startswith("unix:") and (is_loopback(host) or host in ANYWHERE)


async def _role_of(client: AsyncClient) -> Role:
    """Return what *client* may do, as the daemon says."""
    return Role.parse((await client.whoami()).role or "none")
