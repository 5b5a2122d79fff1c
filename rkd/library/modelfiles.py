"""The Modelfile of a folder: reads it, bounded, and says which files its FROM lines name."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from rkd.errors import InvalidInputError, Reason
from rkd.library.belonging import read_own
from rkd.library.layout import MODELFILE
from rkd.model import Recipe
from rkd.modelfile.commands import MAX_BYTES
from rkd.modelfile.parse import decode, parse
from rkd.outside import NotRegularError

_MAX_BYTES = 2 * MAX_BYTES + 2
"""UTF-16 of ASCII takes twice as many bytes and a mark; the parser judges what they mean."""


@dataclass(frozen=True, slots=True)
class Reading:
    """
    What a folder's Modelfile says.

    Args:
        sources: values of its FROM lines, as written.
        files: the names of the files in the model's own folder that they mean.
        trouble: set when it cannot be read; the rest is then empty but for the text.
    """

    text: str = ""
    sources: tuple[str, ...] = ()
    files: frozenset[str] = frozenset()
    recipe: Recipe = field(default_factory=Recipe)
    trouble: InvalidInputError | None = None


def file_of(source: str) -> str:
    """Return the file name a FROM means: the last part of `./x.gguf` or an absolute path."""
    name = source.strip().rpartition("/")[2]
    return name if name not in {"", "."} else PurePosixPath(source.strip()).name


def read(folder: Path) -> Reading | None:
    """Read `<folder>/Modelfile`; None when there is none, trouble and all."""
    path = folder / MODELFILE
    try:
        content = read_own(path, folder, _MAX_BYTES)
    except OSError as error:
        missing = isinstance(error, FileNotFoundError) and not os.path.lexists(path)
        return None if missing else Reading(trouble=_unreadable(error))
    try:
        text = decode(content)
    except InvalidInputError as error:
        return Reading(content.decode("utf-8", "replace"), trouble=error)
    try:
        modelfile = parse(text)
        recipe = modelfile.recipe()
    except InvalidInputError as error:
        return Reading(text, trouble=error)
    sources = modelfile.values("FROM")
    return Reading(text, sources, frozenset(map(file_of, sources)), recipe)


def from_file(path: Path) -> str:
    """Return the file name the first FROM of the Modelfile at *path* means, or ""."""
    try:
        return file_of(parse(read_own(path, path.parent, _MAX_BYTES)).values("FROM")[0])
    except (OSError, InvalidInputError):
        return ""


def _unreadable(error: OSError) -> InvalidInputError:
    problem, remedy = f"it cannot be read: {error.strerror}", "Check owner and mode of the file."
    if isinstance(error, NotRegularError):
        problem, remedy = error.what, "Put a regular file in its place."
    elif isinstance(error, FileNotFoundError):
        problem, remedy = "it is a link to nowhere", "Remove the link."
    return InvalidInputError(Reason.INVALID_MODELFILE, problem, remedy=remedy)
