"""How the gateway listens."""

from __future__ import annotations

import asyncio
import socket

from rkd_gateway.settings import PROGRAM
from rkd_web.server import bind

from rkd.setting import Listen


def test_small_pieces_leave_at_once() -> None:
    """A token does not wait for the acknowledgement of the head before it (TCP_NODELAY)."""
    said: list[int] = []

    async def connect() -> None:
        asked = asyncio.Event()

        class Asked(asyncio.Protocol):
            """Looks at the socket of a connection."""

            def connection_made(self, transport: asyncio.BaseTransport) -> None:
                """Read what it was set to."""
                held = transport.get_extra_info("socket")
                said.append(held.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))
                transport.close()
                asked.set()

        held = bind(Listen(host="127.0.0.1", port=0), PROGRAM)
        loop = asyncio.get_running_loop()
        async with await loop.create_server(Asked, sock=held):
            _, writer = await asyncio.open_connection(*held.getsockname())
            await asked.wait()
            writer.close()
            await writer.wait_closed()

    asyncio.run(connect())
    assert said == [1]
