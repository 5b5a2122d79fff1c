"""One run of rkctl against one daemon: the client, and whether to print JSON."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from google.protobuf.message import Message
from rkd_client.ask import Ask, StreamAsk
from rkd_client.sync import Client

from rkctl.screen import render

Answered = TypeVar("Answered", bound=Message)


class CommandSession:
    """
    Calls to one daemon, answered in messages of the protos: what `--json` prints, and tables show.

    Args:
        client: the daemon; the command closes it.
        json: print JSON instead of text.
    """

    def __init__(self, client: Client, *, json: bool = False) -> None:
        self.client = client
        self.json = json

    def call(self, ask: Ask[Answered, Any]) -> Answered:
        """
        Return what answers *ask*, every page of it.

        Raises:
            RkdError: whatever the daemon or the connection says.
        """
        answer = self.client.call(ask)
        for board, error in self.client.link.missed:
            render.note(f"{board} was passed over: {error}")
        return answer

    def shown(self, ask: Ask[Answered, Any]) -> Answered | None:
        """Return what answers *ask*; with `--json`, print it and return None."""
        answer = self.call(ask)
        if not self.json:
            return answer
        render.out(render.to_json(answer))
        return None

    @contextmanager
    def stream(self, ask: StreamAsk[Answered, Any]) -> Iterator[Iterator[Answered]]:
        """
        Yield the messages that answer *ask*; leaving the block cancels the call.

        Raises:
            RkdError: from the iterator, whatever the daemon or the connection says.
        """
        with self.client.stream(ask) as stream:
            yield stream.messages()
