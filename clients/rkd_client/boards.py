"""
Channels to several boards, without asyncio: gRPC connects, resolves, and checks their health.

Each board has a channel of its own, so that each is known by its own certificate; what gRPC says
of them (`rkd_client.spread` reads it) decides who is asked.
"""

from __future__ import annotations

import threading
import time
from collections import Counter, OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Generic, TypeVar

from rkd_client.channel import OPTIONS, credentials, is_secure
from rkd_client.endpoint import Endpoint, choose
from rkd_client.errors import UnavailableError
from rkd_client.grpc_sync import grpc
from rkd_client.reach import service_config
from rkd_client.spread import CONNECT_S, KEPT_SERVICES, Round, Spread, State, patience_s
from rkd_client.where import Where

Channel = TypeVar("Channel")
Eye = TypeVar("Eye")

LIST_OPTIONS = (
    *OPTIONS,
    # A channel that falls asleep would be neither ready nor failing.
    ("grpc.client_idle_timeout_ms", 2**31 - 1),
)


def options(service: str) -> tuple[tuple[str, int | str], ...]:
    """Return the options of a channel whose board is asked after *service*."""
    return (*LIST_OPTIONS, ("grpc.service_config", service_config(service)))


def state_of(connectivity: object) -> State:
    """Read what gRPC says of a channel."""
    if connectivity is grpc.ChannelConnectivity.READY:
        return State.READY
    if connectivity is grpc.ChannelConnectivity.TRANSIENT_FAILURE:
        return State.FAILING
    return State.DECIDING


@dataclass(frozen=True, slots=True)
class Way(Generic[Channel]):
    """
    The way one call takes.

    Args:
        channel: to the board.
        endpoint: of the board.
        at: its place in the list, where another one may be asked instead.
        left: to be called when the call has ended.
    """

    channel: Channel
    endpoint: Endpoint
    at: int | None = None
    left: Callable[[], None] = lambda: None


class _Eye:
    """A channel to each board, all asked after one service."""

    def __init__(self, where: Where, service: str, changed: threading.Condition) -> None:
        self.channels: list[grpc.Channel] = []
        self.states = [State.DECIDING] * len(where.endpoints)
        self.since_s = time.monotonic()
        self._changed = changed
        for at, endpoint in enumerate(where.endpoints):
            channel = _channel(where, endpoint, service)
            self.channels.append(channel)
            channel.subscribe(partial(self._seen, at), try_to_connect=True)

    def _seen(self, at: int, connectivity: grpc.ChannelConnectivity) -> None:
        with self._changed:
            self.states[at] = state_of(connectivity)
            self._changed.notify_all()


def _channel(where: Where, endpoint: Endpoint, service: str) -> grpc.Channel:
    if is_secure(where, endpoint):
        trusted = credentials(where)
        return grpc.secure_channel(endpoint.target, trusted, options=options(service))
    return grpc.insecure_channel(endpoint.target, options=options(service))


def once(work: Callable[[], None]) -> Callable[[], None]:
    """Return what does *work* the first time it is called, and nothing afterwards."""
    todo = [work]

    def done() -> None:
        if todo:
            todo.pop()()

    return done


def _close(*eyes: _Eye) -> None:
    """Close all channels of *eyes* together: each may take the 0.2 s gRPC looks for changes."""
    closes = [channel.close for eye in eyes for channel in eye.channels]
    threads = [threading.Thread(target=close, daemon=True) for close in closes]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def check_well(state: State, endpoint: Endpoint) -> None:
    """
    Refuse a board that is only one of those asked and keeps the others waiting.

    Raises:
        UnavailableError: it is not ready; where it does not even listen, in the system's words.
    """
    if state is State.READY:
        return
    choose((endpoint,))
    said = f"the daemon at {endpoint} does not say that it serves"
    raise UnavailableError("UNAVAILABLE", said, remedy="look at it: systemctl status rkd")


class Eyes(Generic[Eye]):
    """What both halves know of the boards of a list: eyes on services, calls under way."""

    def __init__(self, where: Where, kept_services: int = KEPT_SERVICES) -> None:
        self._where, self._kept = where, kept_services
        self._changed = threading.Condition()
        self._eyes: OrderedDict[str, Eye] = OrderedDict()
        self._spread = Spread(len(where.endpoints))
        self._calls: Counter[str] = Counter()

    def _latest(self, service: str, eye: Eye) -> list[Eye]:
        """Keep *eye* as the one used last, and return those that are kept no longer."""
        self._eyes[service] = eye
        self._eyes.move_to_end(service)
        idle = [name for name in self._eyes if name not in {service, ""} and not self._calls[name]]
        return [self._eyes.pop(name) for name in idle[: max(0, len(self._eyes) - self._kept)]]

    def _all(self) -> list[Eye]:
        """Return every eye, and keep none."""
        eyes, self._eyes = list(self._eyes.values()), OrderedDict()
        return eyes

    def _way(self, service: str, channels: list[Channel], at: int) -> Way[Channel]:
        self._calls[service] += 1
        endpoint = self._where.endpoints[at]
        return Way(channels[at], endpoint, at, once(partial(self._left, service, at)))

    def _left(self, service: str, at: int) -> None:
        with self._changed:
            self._spread.busy[at] -= 1
            self._calls[service] -= 1


class Boards(Eyes[_Eye]):
    """The boards of a list, shared by threads."""

    def pick(self, service: str, visit: Round) -> Way[grpc.Channel] | None:
        """
        Choose a board whose *service* is well, else any that is there and says itself what is not.

        None where the call has been to all of them.

        Raises:
            RkdError: nobody is there; with every attempt, in the system's words.
        """
        with self._changed:
            for asked_after in dict.fromkeys((service, "")):
                eye = self._eye(asked_after)
                self._settle(eye)
                at = self._spread.choose(eye.states, visit.avoid)
                if at is not None:
                    return self._way(asked_after, eye.channels, at)
        if visit.avoid:
            return None
        return self.at(self._where.endpoints.index(choose(self._where.endpoints)))

    def at(self, at: int, *, well: bool = False) -> Way[grpc.Channel]:
        """
        Return the way to one board, whatever is known of it.

        Raises:
            UnavailableError: it is to be *well*, and does not say so.
        """
        with self._changed:
            eye = self._eye("")
            if well:
                self._settle(eye)
                check_well(eye.states[at], self._where.endpoints[at])
            self._spread.busy[at] += 1
            return replace(self._way("", eye.channels, at), at=None)

    def close(self) -> None:
        """Close every channel; calls still open are cancelled."""
        with self._changed:
            eyes = self._all()
        _close(*eyes)

    def _eye(self, service: str) -> _Eye:
        eye = self._eyes.get(service) or _Eye(self._where, service, self._changed)
        _close(*self._latest(service, eye))
        return eye

    def _settle(self, eye: _Eye) -> None:
        until_s = time.monotonic() + CONNECT_S
        while (left_s := patience_s(eye.states, time.monotonic() - eye.since_s)) > 0:
            self._changed.wait(min(left_s, max(0.0, until_s - time.monotonic())))
