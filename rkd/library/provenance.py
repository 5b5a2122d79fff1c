"""
`.rkd.json` beside a model: where it came from and what its bytes hash to.

It travels with the folder, so provenance survives the loss of the state directory; and so it may
be anybody's. One that cannot be read is no error: the model is simply of unknown origin. What it
says is held against patterns, and what its digests claim is no proof (`blobs.py` hashes first).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath

from rkd.durable import write_file
from rkd.library.belonging import read_own
from rkd.model import Provenance
from rkd.outside import json_object, shown

FILE_NAME = ".rkd.json"
MAX_BYTES = 1 << 20
"""A model of 1,024 files takes 200 kB."""
MAX_ITEMS = 20_000
DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
"""The one form of a digest, here and in the upload store."""

_VERSION = 1
_MAX_TEXT_CHARACTERS = 512
_MAX_NAME_CHARACTERS = 1024


def read(folder: Path) -> Provenance:
    """Read the provenance of the model in *folder*; empty when there is none to be had."""
    try:
        content = read_own(folder / FILE_NAME, folder, MAX_BYTES)
        record = json_object(content, most_items=MAX_ITEMS) if len(content) <= MAX_BYTES else {}
    except (OSError, ValueError):
        return Provenance()
    return Provenance(
        repository=_text(record, "repository"),
        revision=_text(record, "revision"),
        created=_moment(_text(record, "created")),
        digests=tuple(_digests(record.get("digests"))),
    )


def write(folder: Path, provenance: Provenance) -> None:
    """Write *provenance* into *folder*: whole or not at all, durably."""
    record = {
        "version": _VERSION,
        "repository": provenance.repository,
        "revision": provenance.revision,
        "created": (provenance.created or datetime.now(UTC)).isoformat(timespec="microseconds"),
        "digests": dict(provenance.digests),
    }
    write_file(folder / FILE_NAME, f"{json.dumps(record, indent=2)}\n".encode())


def with_digests(provenance: Provenance, digests: Mapping[str, str]) -> Provenance:
    """Add or replace the recorded digests of some files."""
    merged = dict(provenance.digests) | dict(digests)
    return Provenance(
        repository=provenance.repository,
        revision=provenance.revision,
        created=provenance.created,
        digests=tuple(sorted(merged.items())),
    )


def is_current(folder: Path, file_name: str) -> bool:
    """Whether *file_name* is there and has not changed since its digest was recorded."""
    try:
        recorded_ns = (folder / FILE_NAME).stat().st_mtime_ns
        return (folder / file_name).stat().st_mtime_ns <= recorded_ns
    except OSError:
        return False


def is_inside(name: str) -> bool:
    """Whether *name* is a path inside its folder: relative, no part of it `..`, one line."""
    parts = PurePosixPath(name).parts
    return (
        0 < len(name) <= _MAX_NAME_CHARACTERS
        and shown(name) == name
        and not name.startswith("/")
        and bool(parts)
        and ".." not in parts
    )


def _digests(table: object) -> Iterator[tuple[str, str]]:
    for name, digest in table.items() if isinstance(table, dict) else ():
        if is_inside(name) and isinstance(digest, str) and DIGEST.fullmatch(digest):
            yield name, digest


def _text(record: Mapping[str, object], key: str) -> str:
    value = record.get(key)
    return shown(value[:_MAX_TEXT_CHARACTERS]) if isinstance(value, str) else ""


def _moment(text: str) -> datetime | None:
    try:
        moment = datetime.fromisoformat(text)
        return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    except ValueError:
        return None
