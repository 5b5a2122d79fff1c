"""
With whose rights a call goes on: the caller's, never the gateway's.

1. A token is passed on, and the daemon judges it alone.
2. Without one only callers of this machine are served, as the daemon's rule for loopback says: the
   call is marked as nobody's, so that neither our socket nor our certificate speaks for it.
3. A daemon without tokens is open to its own machine and believes any token from there: callers of
   other machines are refused until it has some.
"""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import Callable, Mapping
from typing import Final

from rkd_client import AsyncClient
from rkd_client.errors import ForbiddenError, RkdError, UnauthenticatedError
from rkd_web.heads import is_local
from rkd_web.whose import NOBODY

ASKED_AGAIN_S: Final = 5.0
"""For so long it is believed whether the daemon is open."""


class Callers:
    """
    Gives each call its client, all on one channel.

    Args:
        client: of the daemon; its own token is never used.
        clock: seconds, monotonic.
    """

    def __init__(self, client: AsyncClient, clock: Callable[[], float] = time.monotonic) -> None:
        self._nobody = client.using(token="", metadata=NOBODY)
        self._clock = clock
        self._lock = asyncio.Lock()
        self._open = False
        self._asked_s: float | None = None

    async def admit(self, peer: str | None, headers: Mapping[str, str]) -> AsyncClient:
        """
        Return the client a call uses.

        Args:
            peer: address it comes from; None for a unix socket.
            headers: its headers, names in small letters.

        Raises:
            UnauthenticatedError: TOKEN_MISSING, TOKEN_INVALID.
            ForbiddenError: ROLE_FORBIDS, the daemon would believe any token.
        """
        token = token_in(headers)
        local = is_local(peer, headers)
        if not token and not local:
            raise UnauthenticatedError(
                "TOKEN_MISSING",
                "callers from other machines need a token",
                remedy="make one on the board: rkctl token create; give it as the API key",
            )
        if not token:
            return self._nobody
        if not await self._is_open():
            return self._nobody.using(token=token, metadata={})
        if local:  # no tokens exist, so none is wanted: apps always send one
            return self._nobody
        raise ForbiddenError(
            "ROLE_FORBIDS",
            "this board has no tokens yet, so that it could not tell a wrong one",
            remedy="make one on the board: rkctl token create; give it as the API key",
        )

    async def nobody(self) -> AsyncClient:
        """Return the client of a call that has no caller."""
        return self._nobody

    async def _is_open(self) -> bool:
        """Whether the daemon serves this machine without a token."""
        async with self._lock:
            now = self._clock()
            if self._asked_s is None or now - self._asked_s >= ASKED_AGAIN_S:
                try:
                    await self._nobody.residents()
                    self._open = True
                except UnauthenticatedError:
                    self._open = False
                self._asked_s = now
            return self._open


def token_in(headers: Mapping[str, str]) -> str:
    """
    Return the token of a request; "" for none.

    Raises:
        UnauthenticatedError: TOKEN_INVALID, what it sends is none.
    """
    return token_of(headers.get("authorization")) or key_of(headers.get("x-api-key"))


def known_by(headers: Mapping[str, str]) -> str:
    """Return what the sender of a request that was let in is known again by: no secret."""
    return hashlib.sha256(token_in(headers).encode()).hexdigest()


def token_of(header: str | None) -> str:
    """
    Return the token of an `authorization` header; "" for none.

    Raises:
        UnauthenticatedError: TOKEN_INVALID, it is no Bearer token.
    """
    if header is None:
        return ""
    scheme, _, token = header.partition(" ")
    if scheme.lower() != "bearer" or not token.strip().isascii():
        said = "the authorization header holds no Bearer token"
        raise UnauthenticatedError("TOKEN_INVALID", said, remedy="send `Bearer TOKEN`")
    return token.strip()


def key_of(header: str | None) -> str:
    """
    Return the token of an `x-api-key` header, Anthropic's way of sending one; "" for none.

    Raises:
        UnauthenticatedError: TOKEN_INVALID, no token is like that.
    """
    token = (header or "").strip()
    if not token.isascii():
        raise UnauthenticatedError("TOKEN_INVALID", "the x-api-key header holds no token")
    return token


async def is_reachable(callers: Callers) -> RkdError | None:
    """Return why the daemon does not answer; None when it does, with or without a token."""
    client = await callers.nobody()
    try:
        await client.using(timeout=2.0).residents()
    except UnauthenticatedError:
        return None
    except RkdError as error:
        return error
    return None
