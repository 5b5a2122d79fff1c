"""The files of a create brought to the board, with their progress shown."""

from __future__ import annotations

import time
from collections.abc import Callable

from rkd_client.sync import Client
from rkd_client.upload import Told, digest_of

from rkctl.make.sources import LocalFile
from rkctl.screen.progress import Shown


class Carrier:
    """
    Brings files to the board, telling *shown* how far it is.

    Args:
        clock: seconds, for the speed.
    """

    def __init__(
        self, client: Client, shown: Shown, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._client = client
        self._shown = shown
        self._clock = clock

    def bring(self, files: tuple[LocalFile, ...]) -> dict[str, str]:
        """
        Bring every one of *files* the board lacks and return the digests of all by their names.

        Raises:
            RkdError: a file cannot be read, or the board refuses or stays away.
        """
        hashed = [(file, digest_of(file.path, self._told(file))) for file in files]
        for file, one in hashed:
            self._client.upload(one, self._told(file))
            self._shown.update(file.path.name, "on the board", one.size_bytes, one.size_bytes, [])
            self._shown.speed(0, None)
        return {file.name: one.digest for file, one in hashed}

    def _told(self, file: LocalFile) -> Told:
        began: dict[str, tuple[float, int]] = {}

        def told(stage: str, done: int, total: int) -> None:
            began_s, before = began.setdefault(stage, (self._clock(), done))
            elapsed_s = self._clock() - began_s
            rate = (done - before) / elapsed_s if elapsed_s > 1 else 0.0
            self._shown.update(file.path.name, stage, done, total, [])
            self._shown.speed(rate, (total - done) / rate if rate > 0 else None)

        return told
