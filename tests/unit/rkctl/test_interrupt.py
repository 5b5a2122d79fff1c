"""Ctrl-C and closed pipes, with real processes."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

from tests.unit.rkctl import canned
from tests.unit.rkctl.fake_board import FakeBoard, until_cancelled


def start(board: FakeBoard, home: Path, *arguments: str) -> subprocess.Popen[str]:
    """Run rkctl as a process of its own."""
    environment = board.environment(home) | {"PYTHONPATH": ":".join(sys.path)}
    return subprocess.Popen(
        [sys.executable, "-m", "rkctl", *arguments],
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_ctrl_c_cancels_the_answer_on_the_board(board: FakeBoard, tmp_path: Path) -> None:
    """The text so far stays, the board sees the call cancelled, exit 130."""
    board.answers["InferenceService.Generate"] = [
        *canned.answer("first words\n", "more")[:-2],
        until_cancelled,
    ]
    with start(board, tmp_path, "run", "tiny", "x") as child:
        assert child.stdout is not None
        first = child.stdout.readline()
        child.send_signal(signal.SIGINT)
        _, err = child.communicate(timeout=20)

    assert first == "first words\n"
    assert err == ""
    assert child.returncode == 130
    assert board.cancelled.wait(10)


def test_tokens_are_flushed_as_they_come(board: FakeBoard, tmp_path: Path) -> None:
    """A piece without a newline is in the pipe before the next one is made."""
    board.answers["InferenceService.Generate"] = [
        *canned.answer("half")[:-1],
        until_cancelled,
    ]
    with start(board, tmp_path, "generate", "tiny", "x") as child:
        assert child.stdout is not None
        came = child.stdout.read(4)
        child.kill()

    assert came == "half"


def test_a_closed_pipe_cancels_the_answer(board: FakeBoard, tmp_path: Path) -> None:
    """`rkctl run … | head -1` ends quietly and frees the slot."""
    pieces = canned.answer(*["line\n"] * 50_000)
    board.answers["InferenceService.Generate"] = [*pieces[:-1], until_cancelled]
    with start(board, tmp_path, "run", "tiny", "x") as child:
        assert child.stdout is not None
        child.stdout.readline()
        child.stdout.close()
        assert child.stderr is not None
        said = child.stderr.read()
        child.wait(20)

    assert said == ""
    assert child.returncode == 1
    assert board.cancelled.wait(10)
