"""
`.rkd.json` beside a model: where it came from and what its bytes hash to.

It travels with the folder, so provenance survives the loss of the state directory. A file that
cannot be read is no error: the model is simply of unknown origin.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

from rkd.model import Provenance

FILE_NAME = ".rkd.json"
_VERSION = 1
_MAX_BYTES = 4 << 20


def read(folder: Path) -> Provenance:
    """Read the provenance of the model in *folder*; empty when there is none to be had."""
    try:
        with (folder / FILE_NAME).open("rb") as file:
            record = json.loads(file.read(_MAX_BYTES))
    except (OSError, ValueError):
        return Provenance()
    if not isinstance(record, dict):
        return Provenance()
    digests = record.get("digests")
    pairs = digests.items() if isinstance(digests, dict) else ()
    return Provenance(
        repository=_text(record, "repository"),
        revision=_text(record, "revision"),
        created=_moment(_text(record, "created")),
        digests=tuple((str(name), str(digest)) for name, digest in pairs),
    )


def write(folder: Path, provenance: Provenance) -> None:
    """Write *provenance* into *folder*: whole or not at all; durable once the folder is synced."""
    record = {
        "version": _VERSION,
        "repository": provenance.repository,
        "revision": provenance.revision,
        "created": (provenance.created or datetime.now(UTC)).isoformat(timespec="microseconds"),
        "digests": dict(provenance.digests),
    }
    draft = folder / f"{FILE_NAME}.new"
    with draft.open("w", encoding="utf-8") as file:
        json.dump(record, file, indent=2)
        file.write("\n")
        file.flush()
        os.fsync(file.fileno())
    draft.replace(folder / FILE_NAME)


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


def _text(record: Mapping[str, object], key: str) -> str:
    value = record.get(key)
    return value if isinstance(value, str) else ""


def _moment(text: str) -> datetime | None:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
