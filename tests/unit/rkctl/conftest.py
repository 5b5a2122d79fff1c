"""A fake board and ways to run rkctl against it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from rkctl.main import cli

from tests.unit.rkctl.fake_board import FakeBoard, Rkctl


@pytest.fixture
def board(tmp_path: Path) -> Iterator[FakeBoard]:
    """A board on a socket of its own."""
    with FakeBoard(tmp_path) as running:
        yield running


@pytest.fixture
def rkctl(board: FakeBoard, tmp_path: Path) -> Rkctl:
    """Run rkctl in this process: `rkctl("list", "--json", stdin="")`."""
    environment = board.environment(tmp_path)

    def run(*arguments: str, stdin: str = "", **variables: str) -> Result:
        runner = CliRunner(env={**environment, **variables})
        return runner.invoke(cli, arguments, input=stdin, prog_name="rkctl")

    return run
