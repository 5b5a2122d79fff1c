"""
Which file of a model's folder is its projector, the half that sees: by its header, not its name.

Several that see leave a model blind until its Modelfile names one with FROM: which of them is
meant changes what it sees. One that would end the engine is not given to it, and says why; text
goes on as before.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from rkd.errors import InvalidInputError
from rkd.library.layout import format_of
from rkd.model import Format, WeightsFile
from rkd.outside import shown
from rkd.weights import gguf, projector, shards
from rkd.weights.company import companion

_PROJECTOR = "a projector"
MOST_LISTED = 5
MAX_GGUFS = 32
"""Of a folder with more of them no header is read: it is no model's, and names do."""


@dataclass(frozen=True, slots=True)
class Projectors:
    """
    What of a folder sees.

    Args:
        names: its files that are projectors, seeing or not: none of them is a model.
        chosen: the one a model gets, or None.
        trouble: why none is chosen where there are some; "" else.
    """

    names: frozenset[str] = frozenset()
    chosen: WeightsFile | None = None
    trouble: str = ""

    def checked(self, width: int) -> Projectors:
        """
        Hold the chosen one against what an engine bears, and against its model.

        Args:
            width: of the model's embeddings; 0 where that is not known.
        """
        if self.chosen is None:
            return self
        try:
            projector.inspect(self.chosen.path, width)
        except InvalidInputError as error:
            return replace(self, chosen=None, trouble=error.message)
        except OSError as error:
            what = f"{shown(self.chosen.path.name)}: {error.strerror}"
            return replace(self, chosen=None, trouble=what)
        return self


def find(files: Iterable[WeightsFile], named: frozenset[str], *, sketch: bool) -> Projectors:
    """
    Find the projector among *files*, the usable GGUFs of a folder.

    Args:
        files: every one; parts of split models as well.
        named: the files the Modelfile names with FROM.
        sketch: no header is to be read: names decide until the next look.
    """
    whole = [one for one in files if shards.parse(one.path.name) is None]
    several = len(whole) > 1
    found = [
        one
        for one in whole
        if (several or _is_named_as_one(one.path.name))
        and _is_projector(one.path, read=len(whole) <= MAX_GGUFS and not sketch)
    ]
    names = frozenset(one.path.name for one in found)
    seeing = [one for one in found if sketch or len(found) > MAX_GGUFS or _sees(one.path)]
    chosen = [one for one in seeing if one.path.name in named] or seeing
    if len(chosen) == 1:
        return Projectors(names, chosen[0])
    absent = sorted(one for one in named - names if _is_named_as_one(one))
    if not found:
        lost = absent and not any(one.path.name in absent for one in whole)
        trouble = f"FROM names {shown(absent[0])}, which is not there" if lost else ""
        return Projectors(names, None, trouble)
    if not chosen:
        return Projectors(names, None, f"{shown(min(names))} has no vision encoder")
    listed = ", ".join(sorted(shown(one.path.name) for one in chosen)[:MOST_LISTED])
    trouble = f"it has {len(chosen)} projectors: {listed}: name one with FROM in its Modelfile"
    return Projectors(names, None, trouble)


def _is_named_as_one(name: str) -> bool:
    return format_of(name) is Format.GGUF and companion(name) == _PROJECTOR


def _is_projector(path: Path, *, read: bool) -> bool:
    """Whether *path* is a projector; one that cannot be read is what its name says."""
    if read:
        try:
            return projector.is_projector(gguf.read_header(path))
        except (InvalidInputError, OSError):
            pass
    return _is_named_as_one(path.name)


def _sees(path: Path) -> bool:
    """Whether a projector sees; of one that cannot be read the check says what is wrong."""
    try:
        return projector.sees(gguf.read_header(path))
    except (InvalidInputError, OSError):
        return True
