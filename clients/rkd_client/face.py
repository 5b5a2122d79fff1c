"""What both faces of the library share: how a client is made, a stream read, a failure told."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Self, cast

from rkd_client import contexts
from rkd_client.ask import Ask, StreamAsk
from rkd_client.channel import Caller, is_secure
from rkd_client.errors import RkdError
from rkd_client.follow import FollowAnswer
from rkd_client.retry import Attempts
from rkd_client.status import Failed, error_of
from rkd_client.values import value_of
from rkd_client.where import Flags, Where, resolve

if TYPE_CHECKING:
    from rkd_client.v1.types import Accepted, Finished


class Line:
    """The way to one daemon, found at the first call."""

    def __init__(self, where: Where) -> None:
        self.where = where
        self.endpoint = where.endpoints[0]

    def pause_s(self, attempts: Attempts, error: Exception, *, begun: bool) -> float:
        """
        Return how long to wait before the next try after *error*.

        Raises:
            RkdError: what *error* means, when there is to be none.
        """
        told = error if isinstance(error, RkdError) else self.told(error)
        pause_s = attempts.pause_s(told, begun=begun)
        if pause_s is None:
            raise attempts.telling(told) from error
        return pause_s

    def told(self, error: Exception) -> RkdError:
        """Say what *error* of a call means."""
        secure = is_secure(self.where, self.endpoint)
        return error_of(cast("Failed", error), str(self.endpoint), secure=secure)


class Reading:
    """One stream being read; nothing is sent before it is."""

    def __init__(self, ask: StreamAsk[Any, Any], caller: Caller) -> None:
        self.ask, self.caller = ask, caller
        self.attempts = attempts_of(ask, caller)
        self.follow = ask.follow()
        self.begun = False

    @property
    def accepted(self) -> Accepted | None:
        """Of an answer: what was promised, once it has come."""
        seen = cast("FollowAnswer", self.follow).accepted
        return None if seen is None else cast("Accepted", value_of(seen))

    @property
    def finished(self) -> Finished | None:
        """Of an answer: how it ended, once it has."""
        seen = cast("FollowAnswer", self.follow).finished
        return None if seen is None else cast("Finished", value_of(seen))


class Face:
    """
    How a client of one daemon is made; the channel is opened at the first call.

    Args:
        endpoint: a socket, `host:port` or `https://host:port`, several by commas; None looks at
            RKD_ENDPOINT, at the context in use, then where a daemon usually listens.
        token: access token; None takes RKD_TOKEN or the context's.
        ca: file of the authority to trust (PEM); means TLS.
        cert: file of the certificate to show (PEM); means TLS.
        key: file of its key (PEM).
        timeout: seconds that bound every call, instead of the call's own bound.
    """

    _line: ClassVar[type[Line]] = Line

    def __init__(
        self,
        endpoint: str | None = None,
        *,
        token: str | None = None,
        ca: str | None = None,
        cert: str | None = None,
        key: str | None = None,
        timeout: float | None = None,
    ) -> None:
        flags = Flags(endpoint=endpoint, token=token, ca=ca, cert=cert, key=key)
        said = endpoint is not None or bool(os.environ.get("RKD_ENDPOINT"))
        # A file nobody asked for is no reason to fail.
        kept = contexts.Store() if said else contexts.load(contexts.file_of(os.environ))
        where = resolve(flags, os.environ, kept)
        self.link, self.caller = self._line(where), Caller(where.token, timeout)

    @classmethod
    def at(cls, where: Where, *, timeout: float | None = None) -> Self:
        """Return a client of the daemon at *where*."""
        return cls._of(cls._line(where), Caller(where.token, timeout))

    def using(
        self,
        *,
        token: str | None = None,
        timeout: float | None = None,
        metadata: Mapping[str, str] | None = None,
    ) -> Self:
        """Return a client on the same channel that asks as another, or waits otherwise."""
        return self._of(self.link, self.caller.using(token, timeout, metadata))

    @property
    def endpoint(self) -> str:
        """Where the daemon was found; before the first call, where it is looked for first."""
        return str(self.link.endpoint)

    @classmethod
    def _of(cls, link: Line, caller: Caller) -> Self:
        made = cls.__new__(cls)
        made.link, made.caller = link, caller
        return made


def attempts_of(ask: Ask[Any, Any], caller: Caller) -> Attempts:
    """Return the tries of a call."""
    return Attempts(ask.repeatable, caller.timeout_s or ask.bound_s, time.monotonic)
