"""
From the models folder to models: which of its folders are looked at, and what comes of it.

Only what may have changed is looked at, and no more than there is time for: what is left is `due`,
and the next look goes on with it. Blocking; runs in the library's own thread.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import structlog

from rkd.library.describe import Described, FoundFile, Judge
from rkd.library.folder import Cover, look, no_cover
from rkd.library.layout import EntryKind, Left, format_of, is_projector, model_name
from rkd.library.root import RootListing, list_root
from rkd.library.snapshot import Snapshot, put_together
from rkd.library.stint import Stint
from rkd.model import Model, ModelName, ModelState, WeightsFile
from rkd.outside import shown

_log = structlog.get_logger(__name__)

LOOK_S = 5.0
"""So long one look reads the headers of weights: some thousand good ones, and a few made to take
long. What is left is asked in the next looks, which follow at once; until then it is listed with
what needs no header. So a start is never held up by what somebody put into the folder."""

Enough = Callable[[int], bool]
"""Asked with the number of folders looked at, whether the rest has to wait for the next look."""


def no_end(_folders: int) -> bool:
    """Look at every folder that is due."""
    return False


def scan(
    root: Path,
    judge: Judge,
    *,
    previous: Snapshot | None = None,
    touched: frozenset[str] | None = None,
    left: tuple[Left, ...] = (),
    listing: RootListing | None = None,
    enough: Enough = no_end,
    cover: Cover = no_cover,
    clock: Callable[[], float] = time.monotonic,
) -> Snapshot:
    """
    Look at what is due in *root* and return what it holds.

    Args:
        root: the models folder.
        judge: whether a weights file is whole.
        previous: the last snapshot; what has not changed is taken from it.
        touched: names of folders that may have changed, looked at first; None when any may have.
        left: what a migration left, added to what the scan leaves.
        listing: what *root* holds, where that is known.
        enough: ends the look; at least one folder is looked at.
        cover: see `folder.Cover`.
        clock: monotonic seconds.

    Raises:
        OSError: *root* itself cannot be read.
    """
    before = previous or Snapshot()
    patience = partial(Stint(bound_s=LOOK_S, clock=clock), 0)
    held = listing or list_root(root)
    due = _due(before, held, touched)
    found: dict[str, Described | Left | None] = {}
    for number, name in enumerate(due):
        if number and enough(number):
            break
        found[name] = look(
            root / name,
            judge,
            before.folders.get(name),
            in_haste=_never if touched and name in touched else patience,
            cover=cover,
        )
    arriving = tuple(_arriving(root, held, judge))
    return _after(before, found, arriving, left, listing=held, due=tuple(due[len(found) :]))


def _due(before: Snapshot, held: RootListing, touched: frozenset[str] | None) -> list[str]:
    """
    Say which of the folders *held* are to be looked at, most urgent first.

    1. What was touched; then what an earlier look had no time for; then what is new.
    2. Where any may have changed: those nobody has looked at yet, then all others.
    3. Those that wait for something, unless this look only goes on with an earlier one: so many
       of them hold up nothing else.
    """
    there = held.folders
    urgent = sorted(there & touched) if touched else []
    due = [*urgent, *(name for name in before.due if name in there)]
    due += sorted(there - before.listing.folders)
    if touched is None:
        due += sorted(there)
    elif not before.due:
        due += sorted(before.waiting & there)
    return list(dict.fromkeys(due))


def _after(
    before: Snapshot,
    found: dict[str, Described | Left | None],
    arriving: tuple[Described, ...],
    left: tuple[Left, ...],
    *,
    listing: RootListing,
    due: tuple[str, ...],
) -> Snapshot:
    """Make the snapshot after *before*, the same object where nothing was seen to change."""
    news = {name: one for name, one in found.items() if not _is_known(before, name, one)}
    news |= dict.fromkeys(before.listing.folders - listing.folders)
    if news or arriving or before.arriving or left != before.stayed:
        return put_together(before, news, arriving, left, listing=listing, due=due)
    same = (listing, due) == (before.listing, before.due)
    return before if same else replace(before, listing=listing, due=due)


def _is_known(before: Snapshot, name: str, outcome: Described | Left | None) -> bool:
    if isinstance(outcome, Left):
        return outcome == before.foreign.get(name)
    return outcome is before.folders.get(name) and name not in before.foreign


def _never() -> bool:
    return False


def _arriving(root: Path, listing: RootListing, judge: Judge) -> Iterator[Described]:
    for name, kind in listing.others.items():
        hidden = name.startswith(".")
        if kind is not EntryKind.LINK and not hidden and format_of(name) is not None:
            yield from _to_come(root / name, judge)


def _to_come(path: Path, judge: Judge) -> Iterator[Described]:
    """A weights file in the models folder itself that is not whole yet is a model to come."""
    try:
        status = path.stat()
        wait_s = judge(path, status)
    except OSError:
        return
    except Exception:  # noqa: BLE001 - one bad file never hides the others
        _log.exception("library.defect", file=shown(path.name))
        return
    text = model_name(path.name)
    kind = format_of(path.name)
    if wait_s == 0.0 or not text or kind is None or is_projector(path.name):
        return
    found = FoundFile.of(path, status)
    weights = WeightsFile(path, kind, found.size_bytes, found.modified_ns)
    yield Described(
        Model(
            name=ModelName(text),
            folder=path.parent / text,
            state=ModelState.INCOMING,
            weights=(weights,),
            size_bytes=found.size_bytes,
            modified=found.modified,
            reason=f"{shown(path.name)} is still being written",
            version=f"incoming-{found.size_bytes}-{found.modified_ns}",
        ),
        files=(found,),
        recheck_s=wait_s,
    )
