"""
The chat's requests: `/chat/<what>/<desk>`, each for one page of one who is signed in.

Bodies are bounded before they are read; a desk's name is a secret of its page, and of no use to
anybody but the session it was made for.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from typing import Any

from pydantic import ValidationError
from rkd_client.errors import ExhaustedError, InvalidInputError, RkdError
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response

from rkd_console.asked import NOW
from rkd_console.chat import kept
from rkd_console.chat.acts import ACT, carry_out
from rkd_console.chat.attached import MAX_FILE_BYTES
from rkd_console.chat.room import Room
from rkd_console.safe import shown

MAX_ACT_BYTES = 16 << 20
MAX_HELD_BYTES = 192 << 20
"""Of all bodies that are being read or looked at."""
WITHIN_S = 120.0
GONE = 410

DoorAnswer = dict[str, Any]
DoorWork = Callable[[Room, Request, bytes], Awaitable[DoorAnswer]]


class Doors:
    """
    The pages that are open, by their desks.

    Args:
        new_id: makes names.
    """

    def __init__(self, new_id: Callable[[], str]) -> None:
        self._rooms: dict[str, tuple[object, Room]] = {}
        self._new_id = new_id
        self._held_bytes = 0
        self._works: dict[str, tuple[int, DoorWork]] = {
            "act": (MAX_ACT_BYTES, _act),
            "file": (MAX_FILE_BYTES, _file),
            "import": (kept.MAX_DOCUMENT_BYTES, self._import),
            "open": (kept.MAX_DOCUMENT_BYTES, _open),
            "picture": (kept.MAX_PICTURE_BYTES, _picture),
        }

    def put(self, desk: str, owner: object, room: Room) -> None:
        """Answer requests to *desk* with *room*."""
        self._rooms[desk] = (owner, room)

    def close(self, desk: str) -> None:
        """Answer no more requests to *desk*."""
        _, room = self._rooms.pop(desk, (None, None))
        if room is not None:
            room.close()

    async def answer(self, request: Request) -> Response:
        """Answer one request."""
        owner, room = self._rooms.get(request.path_params["desk"], (None, None))
        work = self._works.get(request.path_params["what"])
        if room is None or work is None or owner is not NOW.get().session:
            return JSONResponse({"error": {"said": "this page is no longer open"}}, GONE)
        most_bytes, do = work
        with contextlib.ExitStack() as held:
            try:
                body = await self._body(request, most_bytes, held)
                return JSONResponse({"ok": True, **await do(room, request, body)})
            except RkdError as error:
                return JSONResponse({"error": _told(error)})
            except ClientDisconnect:
                return Response(status_code=400)

    async def _body(self, request: Request, most_bytes: int, held: contextlib.ExitStack) -> bytes:
        """
        Return the whole body, counted until *held* is closed.

        Raises:
            InvalidInputError: BODY_TOO_LARGE, BODY_TOO_SLOW.
            ExhaustedError: CHAT_BUSY, those of all pages are too much together.
        """
        pieces: list[bytes] = []
        size = 0
        try:
            async with asyncio.timeout(WITHIN_S):
                async for piece in request.stream():
                    size += len(piece)
                    if size > most_bytes:
                        said = f"this has more than {most_bytes >> 20} MiB"
                        raise InvalidInputError("BODY_TOO_LARGE", said)
                    self._count(len(piece), held)
                    pieces.append(piece)
        except TimeoutError as error:
            said = f"it did not come within {WITHIN_S:.0f} s"
            raise InvalidInputError("BODY_TOO_SLOW", said) from error
        return b"".join(pieces)

    def _count(self, size_bytes: int, held: contextlib.ExitStack) -> None:
        if self._held_bytes + size_bytes > MAX_HELD_BYTES:
            said = "the console holds as much as it can"
            raise ExhaustedError("CHAT_BUSY", said, remedy="try again in a moment")
        self._held_bytes += size_bytes
        held.callback(self._give_back, size_bytes)

    def _give_back(self, size_bytes: int) -> None:
        self._held_bytes -= size_bytes

    async def _import(self, room: Room, request: Request, body: bytes) -> DoorAnswer:
        """Judge a file of conversations, and return what of it is to be kept."""
        del room, request

        def judged() -> list[DoorAnswer]:
            return [
                {
                    "conversation": kept.plain(kept.settled(one)),
                    "name": shown(one.name),
                    "spare": self._new_id(),
                }
                for one in kept.read(body).conversations
            ]

        return {"conversations": await asyncio.to_thread(judged)}


async def _act(room: Room, request: Request, body: bytes) -> DoorAnswer:
    del request
    try:
        act = ACT.validate_json(body)
    except ValidationError as error:
        raise InvalidInputError("INVALID_FIELD", "this is nothing the chat does") from error
    return await carry_out(room, act)


async def _file(room: Room, request: Request, body: bytes) -> DoorAnswer:
    return await room.file(request.query_params.get("name", "")[:512], body)


async def _open(room: Room, request: Request, body: bytes) -> DoorAnswer:
    del request
    await room.open(body)
    return {}


async def _picture(room: Room, request: Request, body: bytes) -> DoorAnswer:
    digest = request.query_params.get("name", "")
    await asyncio.to_thread(room.files.bring, digest, body)
    return {}


def _told(error: RkdError) -> dict[str, str]:
    return {
        "said": shown(str(error)),
        "remedy": shown("\n".join([error.remedy, *error.violations]).strip()),
    }
