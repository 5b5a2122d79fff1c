"""What a session asks with: as long as each call wants, streams without an end."""

from __future__ import annotations

import asyncio
from typing import Any

from rkd_client import AsyncClient
from rkd_client.channel import Caller
from rkd_client.endpoint import Endpoint
from rkd_client.face import Line
from rkd_client.where import Where
from rkd_console.signin import Sessions


class EasyLine(Line):
    """A daemon that lets everybody in and has nothing to tell."""

    async def call(self, ask: Any, caller: Caller) -> Any:
        """Answer with an empty message."""
        del caller
        return ask.answer()


def test_a_session_bounds_no_call_by_itself() -> None:
    """Signing in does not wait for ever; an answer, a load or a Watch may take its time."""

    async def signed_in() -> float | None:
        where = Where((Endpoint(host="127.0.0.1", port=1),))
        client = AsyncClient._of(EasyLine(where), Caller())
        sessions = Sessions(client, where)
        session = sessions.find(await sessions.begin("", peer="", is_local=True))
        assert session is not None
        return session.client.caller.timeout_s

    assert asyncio.run(signed_in()) is None
