"""Weights that lie in branches."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from rkd.hub.branches import branches_of, find_weights
from rkd.hub.connection import Connection, Limits
from tests.hub.rooms import Rooms, running
from tests.hub.server import LocalHub
from tests.hub.store import Fault, Repository

REPOSITORY = "org/Tiny-1B-rkllm"


@pytest.fixture
def hub() -> Iterator[LocalHub]:
    """Run a hub whose repository has a card on main and weights in branches."""
    with LocalHub() as hub:
        repository = hub.store.repositories[REPOSITORY] = Repository(REPOSITORY)
        repository.commit({"README.md": b"# Tiny"})
        repository.commit({"tiny.rkllm": b"a" * 9}, "w8a8_g128-toolkitv1.1.1")
        repository.commit({"tiny.rkllm": b"b" * 9}, "w8a8-toolkitv1.1.1")
        repository.commit({"tiny.rkllm": b"c" * 9}, "w4a16-rk3576")
        yield hub


@pytest.fixture
def connection(hub: LocalHub, tmp_path: Path) -> Connection:
    """Aim at the hub."""
    return Connection(
        endpoint=hub.endpoint,
        token=lambda: None,
        offline=lambda: False,
        home=tmp_path / "hf",
        limits=lambda: Limits(30.0, 30.0, (0.0,)),
    )


@pytest.mark.parametrize(
    ("chip", "branch"),
    [("rk3588", "w8a8-toolkitv1.1.1"), ("rk3576", "w4a16-rk3576"), ("", "w8a8-toolkitv1.1.1")],
)
def test_the_likeliest_branch_is_taken_where_main_has_none(
    connection: Connection, chip: str, branch: str
) -> None:
    """The one for this chip, of its advised type; the others are named."""
    listing = find_weights(connection, REPOSITORY, "main", chip)

    assert listing.branch == branch
    assert set(branches_of(connection, REPOSITORY)) == {"main", branch, *listing.branches}


@pytest.mark.parametrize(("chip", "branch"), [("rk3588", "rk-3588"), ("rk3576", ""), ("", "")])
def test_a_branch_for_this_chip_is_taken_where_main_has_another(
    hub: LocalHub, connection: Connection, chip: str, branch: str
) -> None:
    """Weights for another board on main are none for this one."""
    repository = hub.store.repositories["org/Two"] = Repository("org/Two")
    repository.commit({"m-w4a16-rk3576.rkllm": b"a" * 9})
    repository.commit({"m.rkllm": b"b" * 9}, "rk-3588")

    assert find_weights(connection, "org/Two", "main", chip).branch == branch


def test_what_was_asked_for_is_looked_at_alone(connection: Connection) -> None:
    """A revision somebody names is not exchanged for another."""
    listing = find_weights(connection, REPOSITORY, "w4a16-rk3576", "rk3588")

    assert listing.branch == ""
    assert [file.path for file in listing.files] == ["tiny.rkllm"]


def test_a_mirror_without_branches_has_main(hub: LocalHub, connection: Connection) -> None:
    """Whatever it answers to that question."""
    hub.break_with(Fault("api", "pass"), Fault("api", "answer", status=200, body=b"<html>"))

    assert find_weights(connection, REPOSITORY, "main", "").branch == ""


async def test_a_pull_takes_the_branch_and_says_so(hub: LocalHub, tmp_path: Path) -> None:
    """Nobody named a revision: weights come from where they are."""
    async with running(Rooms(hub.endpoint, tmp_path)) as rooms:
        operation = await rooms.pulled(REPOSITORY)

        assert operation.detail["branch"] == "w8a8-toolkitv1.1.1"
        assert operation.detail["model"] == "tiny-1b-w8a8"
        assert (rooms.models / "tiny-1b-w8a8" / "tiny.rkllm").read_bytes() == b"b" * 9
