"""`/api/blobs`: files sent before `/api/create`, straight through to the board."""

from __future__ import annotations

from starlette.responses import Response

from rkd_gateway.endpoint import Call, HttpAnswer


async def known(call: Call) -> HttpAnswer:
    """Say whether the board holds a file."""
    held = await call.client.holds(call.path["digest"])
    return Response(status_code=200 if held else 404)


async def send(call: Call) -> HttpAnswer:
    """Bring a file to the board, as it comes; what has come stays when it breaks."""
    await call.client.send(call.path["digest"], call.pieces, call.size_bytes)
    return Response(status_code=201)
