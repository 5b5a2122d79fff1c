"""Where the NPU's runtime libraries are; `rkd.librkllmrt` says what each one is."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

from rkd.board import tree
from rkd.board.facts import RuntimeLibrary
from rkd.errors import PreconditionError
from rkd.librkllmrt import identify

LIBRARY_NAME: Final = "librkllmrt.so"

RKNN_NAME: Final = "librknnrt.so"

USUAL_FOLDERS: Final = (
    Path("/opt/rkd/lib"),
    Path("/opt/rkllm"),
    Path("/opt/rkllm/lib"),
    Path("/opt/rkllama/lib"),
    Path("/usr/lib"),
    Path("/usr/lib/rkllm"),
    Path("/usr/local/lib"),
    Path("/usr/local/lib/rkllm"),
    Path("/usr/lib/aarch64-linux-gnu"),
)
"""Where vendors' images and their users put it."""

OWN_FOLDERS: Final = frozenset({"rkllm", "rkd", "rkllama"})
"""Folders of such a name hold nothing else: there each release may have a folder of its own."""

_PATTERN: Final = "librkllmrt*.so*"
"""`librkllmrt.so`, `librkllmrt-1.2.3.so`, `librkllmrt_1.2.3.so`, `librkllmrt.so.1.2.3`."""

MOST_LIBRARIES: Final = 16


def find_libraries(
    configured: tuple[Path, ...],
    *,
    version_override: str = "",
    folders: tuple[Path, ...] = USUAL_FOLDERS,
) -> tuple[RuntimeLibrary, ...]:
    """
    Return the libraries to offer: the configured ones as given, else what the usual folders hold.

    The same file reached by two names counts once. Those that cannot be used are returned as
    well, with what is wrong.

    Args:
        configured: paths that replace the search.
        version_override: as of `librkllmrt.identify`.
        folders: where to look.
    """
    if configured:
        once: dict[str, Path] = {}
        for path in configured:
            once.setdefault(os.path.realpath(path), path)
        return tuple(_judge(path, version_override) for path in once.values())
    found: dict[Path, RuntimeLibrary] = {}
    for path in (each for folder in folders for each in _in(folder)):
        try:
            real = path.resolve(strict=True)
        except (OSError, RuntimeError):
            continue  # absent, or a loop of links
        if real not in found and real.is_file() and len(found) < MOST_LIBRARIES:
            found[real] = _judge(path, version_override)
    return tuple(found.values())


def find_rknn(configured: Path | None, *, folders: tuple[Path, ...] = USUAL_FOLDERS) -> Path | None:
    """Return the librknnrt.so to use: the configured one as given, else the first there is."""
    if configured is not None:
        return configured
    return next((folder / RKNN_NAME for folder in folders if (folder / RKNN_NAME).is_file()), None)


def _in(folder: Path) -> list[Path]:
    """Return what may be libraries in *folder*, the plain name first."""
    nested = OWN_FOLDERS & {part.casefold() for part in folder.parts[-2:]}
    patterns = (_PATTERN, f"*/{_PATTERN}") if nested else (_PATTERN,)
    others = [path for pattern in patterns for path in tree.glob(folder, pattern)]
    return [folder / LIBRARY_NAME, *others]


def _judge(path: Path, version_override: str) -> RuntimeLibrary:
    try:
        return RuntimeLibrary(path, identify(path, version_override=version_override).version)
    except PreconditionError as error:
        return RuntimeLibrary(path, error.metadata.get("version", ""), error)
