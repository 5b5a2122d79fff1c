"""
The way of a dropped file through the console: asked for, then passed on as it comes.

Nothing of it is kept here. What the board holds of it is asked by its digest, so that the same file
dropped again, tomorrow or in another browser, goes on where it stopped.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import AsyncIterator
from typing import Final

from rkd_client import AsyncClient
from rkd_client.errors import (
    ExhaustedError,
    ForbiddenError,
    InvalidInputError,
    RkdError,
    TimedOutError,
    UnauthenticatedError,
    UnavailableError,
)
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response

from rkd_console.asked import NOW
from rkd_console.pages.stock.drops import LARGEST_BYTES
from rkd_console.safe import shown

ADDRESS: Final = "/models/upload"
_DIGEST: Final = re.compile(r"sha256:[0-9a-f]{64}")
_NUMBER: Final = re.compile(r"[0-9]{1,15}")


async def answer(request: Request) -> Response:
    """Say where an upload stands (POST), or take what is missing of it (PUT)."""
    session = NOW.get().session
    if session is None:
        return JSONResponse({"error": "nobody is signed in", "reason": "SIGNED_OUT"}, 401)
    try:
        digest, size_bytes = _digest(request), _number(request, "size")
        if request.method == "PUT":
            await _take(request, session.client, digest, size_bytes)
        stands = await session.client.stands(digest)
    except RkdError as error:
        told = {"error": shown(error.message), "remedy": shown(error.remedy)}
        return JSONResponse({**told, "reason": error.reason}, _status(error))
    return JSONResponse({"committed": stands.committed_bytes, "complete": stands.complete})


async def _take(request: Request, client: AsyncClient, digest: str, size_bytes: int) -> None:
    offset = _number(request, "offset")
    pieces = _bounded(request, size_bytes - offset)
    await client.send(digest, pieces, size_bytes, offset_bytes=offset)


async def _bounded(request: Request, most_bytes: int) -> AsyncIterator[bytes]:
    """
    Yield the body, at most what was announced, to where the browser leaves.

    It ends there, rather than fail: so the board keeps what came.
    """
    with contextlib.suppress(ClientDisconnect):
        async for piece in request.stream():
            if piece and most_bytes:
                yield piece[:most_bytes]
            most_bytes -= min(most_bytes, len(piece))


def _digest(request: Request) -> str:
    said = request.query_params.get("digest", "")
    if not _DIGEST.fullmatch(said):
        raise InvalidInputError("INVALID_FIELD", "digest is not `sha256:` and 64 hex digits")
    return said


def _number(request: Request, name: str) -> int:
    said = request.query_params.get(name, "")
    if not _NUMBER.fullmatch(said) or int(said) > LARGEST_BYTES:
        raise InvalidInputError("INVALID_FIELD", f"{name} is no number of bytes")
    return int(said)


def _status(error: RkdError) -> int:
    if error.reason == "UPLOAD_OFFSET":
        return 409
    kinds: tuple[tuple[type[RkdError], int], ...] = (
        (UnauthenticatedError, 401),
        (ForbiddenError, 403),
        (InvalidInputError, 400),
        (ExhaustedError, 413),
        (UnavailableError, 503),
        (TimedOutError, 504),
    )
    return next((status for kind, status in kinds if isinstance(error, kind)), 500)
