"""The Modelfile of a folder: reads it, bounded, and says which files its FROM lines name."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from rkd.errors import InvalidInputError, Reason
from rkd.library.layout import MODELFILE
from rkd.model import Recipe
from rkd.modelfile.parse import MAX_BYTES, decode, parse


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
    """Read `<folder>/Modelfile`; None when there is none, trouble and all."""
    try:
        content = _content(folder / MODELFILE)
    except (FileNotFoundError, IsADirectoryError):
        return None
    except OSError as error:
        return Reading(
            trouble=InvalidInputError(
                Reason.INVALID_MODELFILE,
                f"it cannot be read: {error.strerror}",
                remedy="Check owner and mode of the file.",
            )
        )
    try:
        text = decode(content)
    except InvalidInputError as error:
        return Reading(content.decode("utf-8", "replace"), trouble=error)
    try:
        modelfile = parse(text)
        recipe = modelfile.recipe()
    except InvalidInputError as error:
        return Reading(text, trouble=error)
    return Reading(text, modelfile.values("FROM"), recipe)


def from_file(path: Path) -> str:
    """Return the file name the first FROM of the Modelfile at *path* means, or ""."""
    try:
        return file_of(parse(_content(path)).values("FROM")[0])
    except (OSError, InvalidInputError):
        return ""


def _content(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(MAX_BYTES + 1)
