"""What happened between two snapshots, as events: pure."""

from __future__ import annotations

from collections.abc import Iterator

from rkd.events import Event, Topic
from rkd.library.layout import Move, name_for
from rkd.library.snapshot import Snapshot
from rkd.model import Model, ModelState
from rkd.outside import shown


def between(before: Snapshot, after: Snapshot) -> Iterator[Event]:
    """
    Yield an event for every model that came, went or changed, in the order of names.

    A file that grows while it arrives is told once, as `incoming`.
    """
    old_by_key, new_by_key = before.by_key, after.by_key
    differ = [key for key, new in new_by_key.items() if old_by_key.get(key) is not new]
    for key in sorted({*differ, *(old_by_key.keys() - new_by_key.keys())}):
        old, new = old_by_key.get(key), new_by_key.get(key)
        if new is None:
            assert old is not None  # noqa: S101 - the key is from one of both
            yield Event(Topic.MODEL, "removed", old.model.name.text)
            continue
        action = _action(old.model if old else None, new.model)
        if action:
            yield Event(Topic.MODEL, action, new.model.name.text, _facts(new.model))


def migrated(move: Move) -> Event:
    """Tell of one move of a migration."""
    return Event(
        Topic.MODEL,
        "migrated",
        name_for(move.folder),
        (("source", shown(move.name)), ("destination", shown(f"{move.folder}/{move.name}"))),
    )


def _action(old: Model | None, new: Model) -> str:
    arriving = new.state is ModelState.INCOMING
    if old is None:
        return "incoming" if arriving else "added"
    if old.state is ModelState.INCOMING:
        return "" if arriving else "added"
    if arriving:
        return "incoming"
    same = (old.version, old.state, old.folder) == (new.version, new.state, new.folder)
    return "" if same else "changed"


def _facts(model: Model) -> tuple[tuple[str, str], ...]:
    facts = [("state", str(model.state)), ("size_bytes", str(model.size_bytes))]
    if model.reason:
        facts.append(("reason", model.reason))
    return tuple(facts)
