"""A Ctrl-C that lands inside of gRPC, with its locks taken, does not hold the program."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import pytest
from rkd_client.ask import StreamAsk
from rkd_client.channel import Caller
from rkd_client.endpoint import parse
from rkd_client.sync import Link, Stream
from rkd_client.where import Where

from rkd.v1 import models_pb2 as pb


class Stuck:
    """A channel, or a call, whose lock nobody gives back; reading it is interrupted."""

    def __init__(self) -> None:
        self._never = threading.Event()
        self.asked: list[str] = []

    def __iter__(self) -> Iterator[Any]:
        raise KeyboardInterrupt
        yield

    def cancel(self) -> None:
        """Wait for the lock."""
        self.asked.append("cancel")
        self._never.wait()

    def close(self) -> None:
        """Wait for the lock."""
        self.asked.append("close")
        self._never.wait()


class StuckLink(Link):
    """A link over such a channel."""

    def __init__(self, stuck: Stuck) -> None:
        super().__init__(Where(parse("unix:/nowhere")))
        self._channel = stuck
        self.stuck = stuck

    def start(self, reading: Any, way: Any) -> Any:
        """Begin a stream that is interrupted."""
        del reading, way
        return self.stuck


@pytest.mark.timeout(30)
def test_what_is_interrupted_is_left() -> None:
    """The call and the channel are asked to end, and awaited for a moment only."""
    stuck = Stuck()
    link = StuckLink(stuck)
    ask: Any = StreamAsk(pb.WatchRequest())
    with pytest.raises(KeyboardInterrupt):
        list(Stream(link, ask, Caller()).messages())

    assert stuck.asked == ["cancel", "close"]
    assert link._channel is None
