"""How a model that stands here compares with what a pull would bring under its name."""

from __future__ import annotations

import stat
from pathlib import Path, PurePosixPath

from rkd.hub.listing import Listing
from rkd.hub.variants import Variant
from rkd.model import Model
from rkd.operations import bundle


def is_older(present: Model, listing: Listing, variant: Variant) -> bool:
    """Whether *present* is the same variant at another commit: then nobody has to say replace."""
    names = {file.path.name for file in present.weights}
    same = present.provenance.repository == listing.repository
    return same and PurePosixPath(variant.name).name in names


def is_the_same(present: Model, listing: Listing, variant: Variant) -> bool:
    """Whether *present* is what a pull would bring: then one request was enough."""
    origin = present.provenance
    if (origin.repository, origin.revision) != (listing.repository, listing.commit):
        return False
    recorded = dict(origin.digests)
    if variant.sight and PurePosixPath(variant.sight.path).name not in recorded:
        return False
    return all(
        recorded.get(PurePosixPath(file.path).name) == f"{file.algorithm}:{file.digest}"
        or file.algorithm != "sha256"
        for file in variant.files
    ) and all(
        _holds(present.folder / item.name, item.file.size_bytes)
        for item in bundle.items_of(listing, variant, None)
        if item.name in recorded
    )


def _holds(path: Path, size_bytes: int) -> bool:
    """Whether *path* is a regular file of that size."""
    try:
        status = path.stat()
    except OSError:
        return False
    return stat.S_ISREG(status.st_mode) and status.st_size == size_bytes
