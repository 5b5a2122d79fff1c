"""Three boards behind HAProxy; what stands here is the tier `fleet`'s, which installs it."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fleet.edge import Boards, Edge, boards, edge

collect_ignore_glob = [] if shutil.which("haproxy") else ["test_proxy.py", "test_rights.py"]
"""`./tests/run fleet` installs it; the other tiers say that they leave these tests out."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what stands here."""
    here = Path(__file__).parent
    for item in items:
        if item.path.is_relative_to(here):
            item.add_marker("fleet")


@pytest.fixture
def three(tmp_path: Path) -> Iterator[Boards]:
    """Boards b0, b1, b2 with the models m0 to m7, and `only` on b1."""
    with boards(tmp_path) as running:
        yield running


@pytest.fixture
def address(three: Boards, tmp_path: Path) -> Iterator[Edge]:
    """One address before them, plain."""
    with edge(three, tmp_path, "--no-token") as running:
        yield running
