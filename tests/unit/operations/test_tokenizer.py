"""Tokenizer and template beside weights that came without."""

from __future__ import annotations

from pathlib import Path

import pytest

from rkd.errors import PreconditionError, Reason
from rkd.hub.connection import Connection
from rkd.hub.fetching import Fetching
from rkd.hub.mover import Mover
from rkd.operations.tokenizer import TokenizerSource
from tests.hub.server import LocalHub
from tests.unit.library.folders import tree


def source(hub: LocalHub, home: Path, *, offline: bool = False) -> TokenizerSource:
    """One that asks *hub*, unless it is *offline*."""
    connection = Connection(
        endpoint=hub.endpoint, token=lambda: "", offline=lambda: offline, home=home
    )
    return TokenizerSource(connection, Fetching(Mover(connection)))


async def test_what_a_model_is_used_with_is_brought(tmp_path: Path) -> None:
    """Tokenizer and configuration, under their names; no weights, no licence."""
    with LocalHub() as hub:
        hub.add(
            "org/base",
            {"tokenizer.json": b"{}", "config.json": b"[]", "LICENSE": b"", "m.bin": b"weights"},
        )
        await source(hub, tmp_path / "home")("org/base", tmp_path)

    assert tree(tmp_path) == {"tokenizer.json": b"{}", "config.json": b"[]"}


async def test_offline_asks_nobody_and_says_for_what(tmp_path: Path) -> None:
    """Before any connection."""
    with LocalHub() as hub:
        with pytest.raises(PreconditionError, match="the tokenizer of org/base") as error:
            await source(hub, tmp_path / "home", offline=True)("org/base", tmp_path)
        asked = list(hub.store.served)

    assert error.value.reason is Reason.OFFLINE
    assert asked == []
