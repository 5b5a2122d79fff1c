"""
What is made of files dropped on the page. Pure.

As `rkctl create` does it: files are named by their digests, and a Modelfile says FROM one of them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Final, Literal, TypeAlias

from rkd.modelfile.commands import Command, Dialect
from rkd.modelfile.parse import Modelfile
from rkd.modelfile.render import render

MOST_FILES: Final = 200
LARGEST_BYTES: Final = 1 << 40
LONGEST_NAME: Final = 160

Kind: TypeAlias = Literal["weights", "checkpoint"]
Wrong: TypeAlias = Literal["none", "many", "empty", "large", "called", "twice", "what"]

_WEIGHTS: Final = (".gguf", ".rkllm")
_CHECKPOINT: Final = (".safetensors", ".pth", ".bin")
_SHARD: Final = re.compile(r"-(?P<number>\d{5})-of-\d{5}(?=\.)")
_CONTROLS: Final = re.compile(r"[\x00-\x1f\x7f]")
_UNFIT: Final = re.compile(r"[^A-Za-z0-9._-]+")


@dataclass(frozen=True, slots=True)
class Dropped:
    """A file in the browser; *key* is what the page calls it."""

    key: str
    name: str
    size_bytes: int


@dataclass(frozen=True, slots=True)
class Plan:
    """
    What would be made.

    Args:
        files: those that are brought.
        modelfile: the text that names them.
        model: a name to begin with, which somebody may change.
        wrong: why nothing can be made; "" when all is well.
        which: the file that is wrong.
    """

    files: tuple[Dropped, ...] = ()
    kind: Kind = "weights"
    modelfile: str = ""
    model: str = ""
    wrong: Wrong | Literal[""] = ""
    which: str = ""

    @property
    def size_bytes(self) -> int:
        """Of all files."""
        return sum(one.size_bytes for one in self.files)


def planned(files: tuple[Dropped, ...]) -> Plan:
    """Say what is made of *files*, dropped together."""
    wrong, which = _wrong(files)
    if wrong:
        return Plan(wrong=wrong, which=which)
    names = [one.name for one in files]
    first = _first([one for one in names if one.lower().endswith(_WEIGHTS)])
    if first:
        return Plan(files, "weights", from_text(f"./{first}"), model_name(first))
    if "config.json" in names and any(one.lower().endswith(_CHECKPOINT) for one in names):
        return Plan(files, "checkpoint", from_text("."), "")
    return Plan(wrong="what", which=names[0])


def from_text(value: str) -> str:
    """Return the Modelfile that says FROM *value* and nothing else."""
    return render(Modelfile((Command("FROM", value),), Dialect.OLLAMA))


def model_name(file_name: str) -> str:
    """Return a name for the model of *file_name* that the daemon takes; "" where none is left."""
    stem = PurePosixPath(_SHARD.sub("", file_name)).stem
    return _UNFIT.sub("-", stem).lstrip(".-").rstrip("-")[:128]


def _wrong(files: tuple[Dropped, ...]) -> tuple[Wrong | Literal[""], str]:
    """Say what is wrong with *files*, and with which of them."""
    if not files or len(files) > MOST_FILES:
        return ("many" if files else "none"), ""
    for one in files:
        if not _is_name(one.name):
            return "called", one.name
        if not 0 < one.size_bytes <= LARGEST_BYTES:
            return ("large" if one.size_bytes > 0 else "empty"), one.name
    again = len({one.name.casefold() for one in files}) < len(files)
    return ("twice" if again else ""), ""


def _is_name(name: str) -> bool:
    """Whether a file of a model can be called so."""
    apart = name.startswith(".") or "/" in name or "\\" in name or _CONTROLS.search(name)
    return bool(name) and not apart and len(name.encode(errors="replace")) <= LONGEST_NAME


def _first(names: list[str]) -> str:
    """Return the file FROM names: no projector, and of shards the first."""
    ordered = sorted(names, key=lambda name: ("mmproj" in name.lower(), name))
    for name in ordered:
        shard = _SHARD.search(name)
        if shard is None or int(shard["number"]) == 1:
            return name
    return ordered[0] if ordered else ""
