"""
Makes an installed environment smaller: `python slim.py ENVIRONMENT [PREVIOUS]`.

Symbol tables for debuggers go from shared libraries (76 of the CPU engine's 102 MB), the tests
packages bring along, and the installers themselves, since every upgrade makes an environment of
its own. What is byte for byte the same in the version before becomes one file with two names.
Needs nothing but Python, so that a board without binutils saves as much.
"""

from __future__ import annotations

import filecmp
import shutil
import struct
import sys
from collections.abc import Iterator
from pathlib import Path

ELF_64_LITTLE = b"\x7fELF\x02\x01"
FILE_HEADER = struct.Struct("<16sHHIQQQIHHHHHH")
PROGRAM_HEADER = struct.Struct("<IIQQQQQQ")
INSTALLERS = (
    "pip",
    "pip-*",
    "setuptools",
    "setuptools-*",
    "pkg_resources",
    "_distutils_hack",
    "distutils-precedence.pth",
)
WORTH_BYTES = 1 << 16
"""Less saved is not worth a changed file."""


def main(environment: Path, previous: Path | None) -> None:
    """Make *environment* smaller, sharing files with *previous*."""
    for packages in environment.glob("lib/python3*/site-packages"):
        drop_installers(packages)
        drop_tests(packages)
        for library in packages.rglob("*.so*"):
            if library.is_file() and not library.is_symlink():
                strip(library)
    for name in ("pip", "pip3", "pip3.*"):
        for program in (environment / "bin").glob(name):
            program.unlink()
    if previous is not None:
        share(environment, previous)


def drop_installers(packages: Path) -> None:
    """Remove pip and what comes with it."""
    for name in INSTALLERS:
        for found in packages.glob(name):
            shutil.rmtree(found) if found.is_dir() else found.unlink()


def drop_tests(packages: Path) -> None:
    """Remove the tests inside numpy, 16 MB, which nothing imports."""
    for tests in sorted(packages.glob("numpy/**/tests"), reverse=True):
        shutil.rmtree(tests)


def strip(library: Path) -> None:
    """
    Cut an ELF file after the last byte a loader reads.

    Section headers describe what lies behind for linkers and debuggers only; loading goes by
    program headers. **Source:** elf(5).
    """
    with library.open("rb") as stream:
        header = stream.read(FILE_HEADER.size)
        if len(header) < FILE_HEADER.size or not header.startswith(ELF_64_LITTLE):
            return
        fields = list(FILE_HEADER.unpack(header))
        at, size, count = fields[5], fields[9], fields[10]
        stream.seek(at)
        rows = [stream.read(size) for _ in range(count)]
    ends = [FILE_HEADER.size, at + size * count]
    for row in rows:
        _type, _flags, offset, _virtual, _physical, in_file, _memory, _align = (
            PROGRAM_HEADER.unpack_from(row)
        )
        ends.append(offset + in_file)
    if library.stat().st_size - max(ends) < WORTH_BYTES:
        return
    fields[6] = fields[12] = fields[13] = 0  # where the section headers are, how many, their names
    draft = library.with_name(library.name + ".slim")
    shutil.copyfile(library, draft)
    with draft.open("r+b") as stream:
        stream.truncate(max(ends))
        stream.write(FILE_HEADER.pack(*fields))
    shutil.copymode(library, draft)
    draft.replace(library)


def share(environment: Path, previous: Path) -> None:
    """Make files that are the same in both one file, by hard links, where the disk can."""
    for path in files(environment):
        twin = previous / path.relative_to(environment)
        if twin.is_symlink() or not twin.is_file():
            continue
        if path.samefile(twin) or not filecmp.cmp(path, twin, shallow=False):
            continue
        if path.stat().st_mode != twin.stat().st_mode:
            continue
        draft = path.with_name(path.name + ".slim")
        try:
            draft.hardlink_to(twin)
        except OSError:
            return  # another disk, or one without hard links
        draft.replace(path)


def files(folder: Path) -> Iterator[Path]:
    """Yield the regular files below *folder*."""
    for path in folder.rglob("*"):
        if path.is_file() and not path.is_symlink():
            yield path


if __name__ == "__main__":
    _environment, *_previous = (Path(word) for word in sys.argv[1:])
    main(_environment, _previous[0] if _previous else None)
