"""
Which weights files of a folder are no models: imatrices, adapters, drafts, vectors, projectors.

By their headers where those are read; by their names where they cannot be, and for .rkllm.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path

from rkd.errors import InvalidInputError
from rkd.library.layout import format_of
from rkd.library.projectors import MAX_GGUFS
from rkd.model import Format, WeightsFile
from rkd.weights import gguf, shards
from rkd.weights.company import by_header, companion, companions

_REMEMBERED = 256
_DRAFT = "a draft"


def besides(files: Iterable[WeightsFile], *, sketch: bool) -> dict[str, str]:
    """
    Say of *files*, all weights of a folder, which are no models, and what they are, by name.

    Args:
        files: the usable ones; parts of split models as well.
        sketch: no header is to be read: names decide until the next look.
    """
    known = tuple(files)
    if len(known) == 1:
        return {}  # whoever describes the model asks its header, and its name tells less
    said = companions(file.path.name for file in known)
    ggufs = [
        one for one in known if one.format is Format.GGUF and shards.parse(one.path.name) is None
    ]
    if not sketch and len(ggufs) <= MAX_GGUFS:
        for file in ggufs:
            told = _by_header(file.path, file.size_bytes, file.modified_ns)
            said[file.path.name] = _decided(told, said.get(file.path.name, ""))
    return {name: kind for name, kind in said.items() if kind}


def flat(path: Path) -> str:
    """
    Say what the weights file *path*, which lies in the models folder itself, is besides a model.

    "" for a model. What has no header that can be read is what its name says.
    """
    told = None
    if format_of(path.name) is Format.GGUF:
        try:
            status = path.stat()
            told = _by_header(path, status.st_size, status.st_mtime_ns)
        except OSError:
            told = None
    return _decided(told, companion(path.name))


def _decided(told: str | None, named: str) -> str:
    """Let the header decide where it can: a draft's is that of a model with few layers."""
    return named if told is None or (not told and named == _DRAFT) else told


@lru_cache(maxsize=_REMEMBERED)
def _by_header(path: Path, _size_bytes: int, _modified_ns: int) -> str | None:
    """Ask the header of *path*, once for each state of the file; None where it cannot be read."""
    try:
        return by_header(gguf.read_header(path))
    except (InvalidInputError, OSError):
        return None
