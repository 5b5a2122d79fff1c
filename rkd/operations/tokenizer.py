"""Brings tokenizer and chat template of a repository beside weights that came without."""

from __future__ import annotations

from pathlib import Path

from rkd.hub.connection import Connection
from rkd.hub.fetching import Fetching
from rkd.hub.listing import look_up
from rkd.hub.threads import asking
from rkd.operations.bundle import tokenizer_files


class TokenizerSource:
    """
    Fetches the small files a model needs to be used without a network.

    Args:
        connection: the way to the hub.
        fetching: moves files.
    """

    def __init__(self, connection: Connection, fetching: Fetching) -> None:
        self._connection = connection
        self._fetching = fetching

    async def __call__(self, repository: str, folder: Path) -> None:
        """
        Bring what *repository* has of them into *folder*.

        Raises:
            RkdError: OFFLINE, HUB_UNREACHABLE, HUB_GATED, HUB_NOT_FOUND.
        """
        self._connection.require_online(f"the tokenizer of {repository}")
        listing = await asking(lambda: look_up(self._connection, repository), name="rkd-plan")
        files = tokenizer_files(listing)
        await self._fetching.fetch_all(
            [(listing.wanted(file), folder / file.path) for file in files],
            progress=lambda _path, _bytes: None,
        )
