"""
GGUF models split over several files: `name-00001-of-00003.gguf`.

The first names the model; an engine given it opens the others, so all of them have to be there.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from rkd.outside import shown
from rkd.weights import gguf
from rkd.weights.allowance import Allowance
from rkd.weights.gguf import Header

_SHARD = re.compile(
    r"(?P<stem>.+)-(?P<number>[0-9]{5})-of-(?P<count>[0-9]{5})\.gguf", re.IGNORECASE
)

MAX_SHARDS = 1024


@dataclass(frozen=True, slots=True)
class Shard:
    """One file of a split model; number counts from 1."""

    stem: str
    number: int
    count: int

    def belongs_with(self, other: Shard) -> bool:
        """Whether both are parts of the same model."""
        return (self.stem, self.count) == (other.stem, other.count)

    @property
    def names(self) -> tuple[str, ...]:
        """The names of all the files, the first first."""
        return tuple(
            f"{self.stem}-{number:05}-of-{self.count:05}.gguf"
            for number in range(1, self.count + 1)
        )


def parse(name: str) -> Shard | None:
    """Read a file name (or a path in a repository); None where it is no shard."""
    found = _SHARD.fullmatch(name)
    if not found:
        return None
    shard = Shard(found["stem"], int(found["number"]), int(found["count"]))
    return shard if 1 <= shard.number <= shard.count <= MAX_SHARDS else None


def is_split(header: Header) -> bool:
    """Tell whether *header* says that the model has further files."""
    return header.number("split.count") > 1


def read_rest(path: Path, header: Header) -> tuple[Header, ...]:
    """
    Read the headers of the shards behind *path*; none for a whole file.

    However many there are, they take no more time and memory than one header may.

    Raises:
        InvalidInputError: WEIGHTS_INVALID: *path* is not the first, one is missing or of another
            model, the tensors do not add up.
    """
    if not is_split(header):
        return ()
    count, number = header.number("split.count"), header.number("split.no")
    shard = parse(path.name)
    if shard is None or shard.count != count or shard.number != number + 1:
        raise gguf.invalid(
            path.name,
            f"it is part {number + 1} of {count} and its name does not say so",
            f"Name it `model-{number + 1:05}-of-{count:05}.gguf`, and the others likewise.",
        )
    if number > 0:
        raise gguf.invalid(
            path.name,
            f"it is part {number + 1} of {count}",
            f"Name the first: {shown(shard.names[0])}.",
        )
    rest: list[Header] = []
    allowance = Allowance()
    for index, name in enumerate(shard.names[1:], start=1):
        other = path.with_name(name)
        if not other.is_file():
            problem = f"its part {shown(name)} is missing"
            raise gguf.invalid(path.name, problem, "Put all parts into one folder.")
        part = gguf.read_header(other, allowance)
        if part.number("split.no", -1) != index or part.number("split.count") != count:
            raise gguf.invalid(name, f"it is not part {index + 1} of {count}")
        rest.append(part)
    total = header.number("split.tensors.count", -1)
    found = len(header.tensors) + sum(len(part.tensors) for part in rest)
    if total not in {-1, found}:
        raise gguf.invalid(path.name, f"its parts hold {found} tensors of {total}")
    return tuple(rest)
