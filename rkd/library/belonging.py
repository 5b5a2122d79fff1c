"""
Which files belong to a model: regular ones inside its own folder, all links resolved.

One exception, which people need and which gives nothing away: weights may be a link to weights
elsewhere (another disk, the Hub's cache). What it leads to has to be named as such weights are, or
to begin as they do.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import BinaryIO

from rkd.library.layout import format_of
from rkd.model import Format
from rkd.outside import NotRegularError, lies_at, open_regular, place_of, read_most
from rkd.weights import magic

_BEGINNINGS = {Format.GGUF: "GGUF", Format.RKLLM: ".rkllm"}
_FIRST_BYTES = 64


def open_own(path: Path, folder: Path) -> BinaryIO:
    """
    Open *path*, a file of the model in *folder*; the caller closes it.

    Raises:
        NotRegularError: it is no regular file, or a link that leads elsewhere.
        OSError: it is not there, or may not be read.
    """
    file = open_regular(path)
    try:
        if _belongs(file, path, folder):
            return file
    except BaseException:
        file.close()
        raise
    file.close()
    raise NotRegularError("it is a link that leads out of its folder", path)


def read_own(path: Path, folder: Path, most_bytes: int) -> bytes:
    """
    Read the beginning of *path*, at most *most_bytes* and one more, by which too long is seen.

    Raises:
        OSError: as `open_own`.
    """
    with open_own(path, folder) as file:
        return read_most(file, most_bytes + 1)


def trouble_with(path: Path, folder: Path) -> str:
    """Say why *path* cannot be a file of the model in *folder*, or ""."""
    try:
        open_own(path, folder).close()
    except OSError as error:
        return error.strerror or "it cannot be opened"
    return ""


def _belongs(file: BinaryIO, path: Path, folder: Path) -> bool:
    # Where no part of the path is a link, which is nearly everywhere, nothing has to be resolved.
    if lies_at(file, path) and (path.parent == folder or path.is_relative_to(folder)):
        return True
    place = place_of(file)
    if place.is_relative_to(folder.resolve()):
        return True
    kind = format_of(path.name)
    if kind is None:
        return False
    if format_of(place.name) is kind:
        return True
    if not os.fstat(file.fileno()).st_size:
        return False  # the kernel's own files say so: reading them may take away, or give nothing
    beginning = magic.name(file.read(_FIRST_BYTES))
    file.seek(0)
    return beginning == _BEGINNINGS[kind]
