"""What the docs say of the code is what the code is."""

from __future__ import annotations

import io
import re
import tokenize
from collections.abc import Iterator
from pathlib import Path
from types import UnionType
from typing import get_args

from rkd.wire.messages import FromWorker, ToWorker
from tests.unit.test_layers import LAYERS, classes_in, sources

ROOT = Path(__file__).resolve().parents[2]
ARCHITECTURE = (ROOT / "docs/architecture.md").read_text(encoding="utf-8")


def between(text: str, mark: str) -> str:
    """What stands between two comments of one name."""
    found = re.search(rf"<!-- {mark}.*?-->(.*?)<!-- /{mark} -->", text, re.DOTALL)
    assert found, f"no <!-- {mark} -->"
    return found[1]


def test_layers_are_those_of_the_code() -> None:
    """The list of rooms in the docs is the one imports are held against."""
    listed = [
        frozenset(re.findall(r"`(\w+)`", line.partition(" — ")[0]))
        for line in between(ARCHITECTURE, "layers").strip().splitlines()
    ]

    assert list(LAYERS) == listed


def test_frames_are_those_of_the_wire() -> None:
    """The table of frames names every frame of both directions, in order."""
    rows = between(ARCHITECTURE, "frames").strip().splitlines()[2:]
    listed = [re.findall(r"`(\w+)`", row) for row in rows]

    def frames(direction: UnionType) -> list[str]:
        return [frame.__struct_config__.tag for frame in get_args(direction)]

    assert [frames(ToWorker), frames(FromWorker)] == listed


FILE = re.compile(r"`([\w./-]*\w\.(?:py|proto|md))`")
MODULE = re.compile(r"`((?:rkd|rkctl|rkd_\w+)(?:\.[a-zA-Z_]\w*)+)")
SYMBOL = re.compile(r"`(_?[A-Z][a-z]+[A-Za-z]*)(?:\.(\w+))?(?:\(\))?`")
FOREIGN = "Source"
"""A paragraph that names its source may name files of others."""


def prose(path: Path) -> Iterator[str]:
    """Each paragraph of the docstrings and comments of *path*."""
    for token in tokenize.generate_tokens(io.StringIO(path.read_text(encoding="utf-8")).readline):
        comment = token.type == tokenize.COMMENT
        if comment or (token.type == tokenize.STRING and token.string.startswith('"""')):
            yield from token.string.split("\n\n")


def is_file_of(path: Path, name: str) -> bool:
    """Whether *name*, said in *path*, is a file: from the root, from its package, or beside it."""
    package = Path(*path.relative_to(ROOT).parts[: 1 if path.is_relative_to(ROOT / "rkd") else 2])
    beside = (ROOT, ROOT / "rkd", ROOT / "clients", ROOT / package, path.parent, path.parent.parent)
    return any((folder / name).is_file() for folder in beside)


def is_name_of(dotted: str) -> bool:
    """Whether *dotted* is a module, or stands in the module it begins with; protos aside."""
    parts = dotted.split(".")
    if parts[:2] == ["rkd", "v1"]:
        return True
    at = ROOT if parts[0] == "rkd" else ROOT / "clients"
    for depth, part in enumerate(parts):
        at /= part
        if (module := at.with_suffix(".py")).is_file():
            rest = parts[depth + 1 : depth + 2]
            return not rest or bool(re.search(rf"\b{rest[0]}\b", module.read_text("utf-8")))
    return at.is_dir()


def test_every_page_named_is_there() -> None:
    """No page, docstring or comment refers to a file or module of ours that does not exist."""
    named = re.compile(r"`((?:rkd|tests|bench|clients)/[\w./-]+\.\w+)`")
    missing = [
        f"{page.name}: {name}"
        for page in sorted([*ROOT.glob("docs/*.md"), ROOT / "README.md"])
        for name in named.findall(page.read_text(encoding="utf-8"))
        if not (ROOT / name).exists()
    ]
    for path in sources():
        for text in prose(path):
            files = [] if FOREIGN in text else FILE.findall(text)
            bad = [name for name in files if not is_file_of(path, name)]
            bad += [name for name in MODULE.findall(text) if not is_name_of(name)]
            missing += [f"{path.relative_to(ROOT)}: {name}" for name in bad]

    assert missing == []


THEIRS = frozenset({"LlgTokenizerInit", "LlgConstraintInit"})
"""Structures of others' headers that docstrings name."""


def words_of(path: Path) -> set[str]:
    """Every name in the code of *path*, and every word of its short texts; no prose."""
    found = set()
    for token in tokenize.generate_tokens(io.StringIO(path.read_text(encoding="utf-8")).readline):
        if token.type == tokenize.NAME:
            found.add(token.string)
        elif token.type == tokenize.STRING and not token.string.startswith('"""'):
            found |= set(re.findall(r"\w+", token.string))
    return found


def test_every_class_named_is_there() -> None:
    """No docstring or comment refers to a class that is gone, or to what a class does not have."""
    words = {path: words_of(path) for path in sources()}
    protos = " ".join(path.read_text("utf-8") for path in (ROOT / "proto").rglob("*.proto"))
    known = THEIRS.union(re.findall(r"\w+", protos), *words.values())
    homes = {name: ROOT / places[0] for name, places in classes_in(ROOT / "clients").items()}
    missing = []
    for path in sources():
        for text in prose(path):
            for name, member in SYMBOL.findall(text) if FOREIGN not in text else ():
                home = homes.get(name) if path.is_relative_to(ROOT / "clients") else None
                has = words.get(home, known) if home else known
                if name not in known or (member and member not in has):
                    missing.append(f"{path.relative_to(ROOT)}: {name} {member}")

    assert missing == []


def test_the_clients_rooms_are_those_of_the_code() -> None:
    """What the docs name in a client's folder is there, and every room of it is named."""
    (section,) = re.findall(r"\n## Clients\n(.*?)\n## ", ARCHITECTURE, re.DOTALL)
    wrong = []
    for home, said in re.findall(r"^`((?:clients/\w+|chat)/)` (.*)$", section, re.MULTILINE):
        folder = ROOT / (home if home != "chat/" else "clients/rkd_console/chat/")
        named = set(re.findall(r"`(\w+)/?`", said))
        there = {path.stem for path in folder.iterdir()}
        rooms = {path.parent.name for path in folder.glob("*/__init__.py")} - {"chat", "v1"}
        wrong += [f"{home}{name}" for name in (named - there) | (rooms - named)]

    assert wrong == []


def test_the_walk_comes_through_places_that_are_there() -> None:
    """Every step of the newcomer's walk names a file of ours, and what is called in it."""
    steps = re.findall(r"`(rkd/[\w/]+\.py)`(?: `(\w+)`)?", between(ARCHITECTURE, "walk"))
    missing = [
        f"{path} {name}"
        for path, name in steps
        if not re.search(
            rf"\b(?:class|def) {name}\b" if name else "",
            (ROOT / path).read_text(encoding="utf-8"),
        )
    ]

    assert len(steps) > 25
    assert missing == []
