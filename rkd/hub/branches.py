"""
Where a repository keeps its weights. Blocking.

Some have none on `main`, and one branch for each way they were made.
"""

from __future__ import annotations

from dataclasses import replace

from rkd import shape
from rkd.errors import RkdError
from rkd.hub.connection import Connection
from rkd.hub.listing import Listing, look_up
from rkd.hub.refusal import unlike
from rkd.hub.variants import variants_of
from rkd.weights import named, npu
from rkd.weights.quantization import in_file_name

MOST_LOOKED_INTO = 8
"""Branches looked into for one repository, the likeliest first."""

_MOST_BRANCHES = 500
_LONGEST_NAME = 250


def find_weights(connection: Connection, repository: str, revision: str, chip: str) -> Listing:
    """
    Look *repository* up where its weights are.

    That is *revision*; where `main` holds none, or none for this chip, the likeliest branch that
    does, named in the listing with the others.

    Args:
        connection: the way to the hub.
        repository: `user/repo`.
        revision: what was asked for.
        chip: of this board, whose branch comes first; "" for none.

    Raises:
        RkdError: OFFLINE, HUB_UNREACHABLE, HUB_GATED, HUB_NOT_FOUND.
    """
    listing = look_up(connection, repository, revision)
    if revision != "main" or _serves(listing, chip):
        return listing
    try:
        names = branches_of(connection, repository)
    except RkdError:
        return listing  # a mirror may not know the question: main is the answer then
    ranked = sorted((name for name in names if name != "main"), key=lambda one: _rank(one, chip))
    for name in ranked[:MOST_LOOKED_INTO]:
        other = look_up(connection, repository, name)
        if _serves(other, chip if variants_of(listing) else ""):
            rest = tuple(one for one in ranked if one != name)
            return replace(other, branch=name, branches=rest)
    return listing


def _serves(listing: Listing, chip: str) -> bool:
    """Whether *listing* holds weights that are not all for other chips."""
    platforms = {one.platform for one in variants_of(listing)}
    return bool(platforms) and (not chip or bool(platforms & {"", chip}))


def branches_of(connection: Connection, repository: str) -> tuple[str, ...]:
    """
    List the branches of *repository*.

    Raises:
        RkdError: as `look_up`.
    """
    what = f"the branches of {repository}"
    answer = connection.document(
        f"/api/models/{repository}/refs", {}, what=what, repository=repository
    )
    try:
        listed = shape.items(shape.record(answer).get("branches"), most=_MOST_BRANCHES)
    except shape.UnlikeError as error:
        raise unlike(connection.shown, str(error), what=what) from error
    return tuple(shape.kept(listed, _name))


def _name(value: object) -> str:
    return shape.line(shape.record(value).get("name"), most_bytes=_LONGEST_NAME)


def _rank(branch: str, chip: str) -> tuple[int, int, str]:
    """Put what is said to be for this chip first, then its advised types."""
    platform = named.platform_in(branch)
    return (
        0 if platform == chip else 1 if not platform else 2,
        npu.rank(chip, in_file_name(f"{branch}.rkllm")),
        branch,
    )
