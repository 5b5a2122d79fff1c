"""What belongs to the next turn, and the pictures of those that were: bounded, for one page."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence

from rkd_client.errors import InvalidInputError

from rkd_console.chat import attached
from rkd_console.chat.conversation import Attachment, Picture

MAX_PICTURES_BYTES = 48 << 20
"""Held for one page; the oldest are asked for again when they are needed."""
MAX_FILES = 16
MAX_PICTURES = 8
"""The daemon takes no more in one request (`max_pictures`)."""


class Files:
    """
    Files of one page.

    Args:
        new_id: makes names of files.
        may_see: raises where a picture is of no use.
    """

    def __init__(self, new_id: Callable[[], str], may_see: Callable[[], None]) -> None:
        self._new_id, self._may_see = new_id, may_see
        self._draft: dict[str, Attachment | Picture] = {}
        self._held: dict[str, bytes] = {}
        self._pdf_turn = asyncio.Semaphore(1)

    @property
    def pictures(self) -> Mapping[str, bytes]:
        """Bytes by digest."""
        return self._held

    async def take(self, name: str, data: bytes) -> tuple[str, Attachment | Picture]:
        """
        Take a file for the next turn, and return its key.

        Raises:
            InvalidInputError: it is nothing that can be attached, or one too many.
        """
        taken = await attached.take(name, data, self._pdf_turn)
        file = taken.picture if isinstance(taken, attached.PictureFile) else taken
        pictures = sum(isinstance(one, Picture) for one in self._draft.values())
        if len(self._draft) >= MAX_FILES or (
            isinstance(file, Picture) and pictures >= MAX_PICTURES
        ):
            said = f"a turn takes {MAX_FILES} files and {MAX_PICTURES} pictures at most"
            raise InvalidInputError("ATTACHMENT_INVALID", said)
        if isinstance(taken, attached.PictureFile):
            self._may_see()
            self._hold(taken.picture.digest, taken.data)
        key = self._new_id()
        self._draft[key] = file
        return key, file

    def named(self, keys: Iterable[str]) -> list[Attachment | Picture]:
        """
        Return the files of *keys*, in their order.

        Raises:
            InvalidInputError: ATTACHMENT_MISSING, the page was away for too long.
        """
        try:
            return [self._draft[one] for one in keys]
        except KeyError as error:
            said = "a file that was attached is no longer here"
            remedy = "attach it again"
            raise InvalidInputError("ATTACHMENT_MISSING", said, remedy=remedy) from error

    def drop(self, keys: Sequence[str] | None = None) -> None:
        """Leave the files of *keys* out of the next turn; None leaves all out."""
        for one in list(self._draft) if keys is None else keys:
            self._draft.pop(one, None)

    def bring(self, digest: str, data: bytes) -> None:
        """
        Hold a picture that the browser brought back.

        Raises:
            InvalidInputError: PICTURE_MISSING, it is not the one of *digest*.
        """
        if hashlib.sha256(data).hexdigest() != digest:
            said = "this is not the picture that was kept"
            raise InvalidInputError("PICTURE_MISSING", said, remedy="add it again")
        self._hold(digest, data)

    def _hold(self, digest: str, data: bytes) -> None:
        self._held.pop(digest, None)
        self._held[digest] = data
        while sum(map(len, self._held.values())) > MAX_PICTURES_BYTES:
            self._held.pop(next(iter(self._held)))
