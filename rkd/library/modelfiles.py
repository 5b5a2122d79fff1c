"""The Modelfile of a folder: reads it, bounded, and says which files its FROM lines name."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from rkd.errors import InvalidInputError
from rkd.library.layout import MODELFILE
from rkd.model import Recipe

MAX_BYTES = 4 << 20

_FROM = re.compile(
    rb"^\s*FROM\s*[= ]\s*[\"']?([^\"'\r\n]+?)[\"']?\s*$", re.IGNORECASE | re.MULTILINE
)


@dataclass(frozen=True, slots=True)
class Reading:
    """
    What a folder's Modelfile says.

    Args:
        sources: values of its FROM lines, as written.
        trouble: set when it cannot be read; the rest is then empty but for the text.
    """

    text: str = ""
    sources: tuple[str, ...] = ()
    recipe: Recipe = field(default_factory=Recipe)
    trouble: InvalidInputError | None = None

    def names(self, file_name: str) -> bool:
        """Whether a FROM means the file *file_name* of the model's own folder."""
        return file_name in {file_of(source) for source in self.sources}


def file_of(source: str) -> str:
    """Return the file name a FROM means: the last part of `./x.gguf` or an absolute path."""
    return PurePosixPath(source.strip()).name


def read(folder: Path) -> Reading | None:
    """Read `<folder>/Modelfile`; None when there is none."""
    try:
        with (folder / MODELFILE).open("rb") as file:
            content = file.read(MAX_BYTES + 1)
    except (FileNotFoundError, IsADirectoryError):
        return None
    text = content.decode("utf-8", errors="replace")
    sources = tuple(match.decode("utf-8", "replace") for match in _FROM.findall(content))
    return Reading(text, sources)


def from_file(path: Path) -> str:
    """Return the file name the first FROM of the Modelfile at *path* means, or ""."""
    try:
        with path.open("rb") as file:
            content = file.read(MAX_BYTES)
    except OSError:
        return ""
    match = _FROM.search(content)
    return file_of(match[1].decode("utf-8", "replace")) if match else ""
