"""`rkctl pull`, `push`, `ops`: operations followed, detached, ended."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from rkd.v1 import models_pb2 as pb
from rkd.v1 import operations_pb2 as ops
from rkd.v1 import types_pb2 as types
from tests.unit.rkctl.fake_board import FakeBoard, Refusal, Rkctl, until_cancelled

TOTAL = 93_000_000


def operation(done: int = 0, state: int = types.OPERATION_STATE_RUNNING) -> types.Operation:
    """A pull that has *done* bytes."""
    progress = types.Progress(stage="downloading", done_bytes=done, total_bytes=TOTAL)
    return types.Operation(
        id="op1", kind=types.OPERATION_KIND_PULL, model="tiny", state=state, progress=progress
    )


def done() -> types.Operation:
    """The same pull, ended."""
    ended = operation(TOTAL, types.OPERATION_STATE_SUCCEEDED)
    ended.progress.stage = "done"
    return ended


def test_pull_prints_lines_and_the_name(rkctl: Rkctl, board: FakeBoard) -> None:
    """Progress on stderr, a line for a new stage; the model's name alone on stdout."""
    board.answers["ModelService.Pull"] = [
        pb.PullResponse(operation=operation(0)),
        pb.PullResponse(operation=operation(1000), license="apache-2.0"),
        pb.PullResponse(operation=done()),
    ]

    result = rkctl("pull", "user/repo:Q4_K_M", "--name", "tiny", "--revision", "main")

    assert result.stdout == "tiny\n"
    assert result.stderr == (
        "pull tiny: downloading 0% (0 of 93.0 MB)\n"
        "licence: apache-2.0\n"
        "pull tiny: done 100% (93.0 MB of 93.0 MB)\n"
    )
    request = board.requests("ModelService.Pull")[0]
    assert (request.source, request.name, request.revision) == ("user/repo:Q4_K_M", "tiny", "main")


def test_pull_json_is_a_line_a_step(rkctl: Rkctl, board: FakeBoard) -> None:
    """Only the steps, on stdout."""
    board.answers["ModelService.Pull"] = [pb.PullResponse(operation=done())]

    result = rkctl("pull", "a/b", "--json")

    assert json.loads(result.stdout)["operation"]["progress"]["done_bytes"] == TOTAL
    assert result.stderr == ""


def test_pull_detach_prints_the_id(rkctl: Rkctl, board: FakeBoard) -> None:
    """The id is data; how to attach is told."""
    board.answers["ModelService.Pull"] = [pb.PullResponse(operation=operation())]

    result = rkctl("pull", "a/b", "--detach")

    assert result.stdout == "op1\n"
    assert "rkctl ops attach op1" in result.stderr
    assert board.requests("ModelService.Pull")[0].detach


@pytest.mark.parametrize(
    ("state", "reason", "exit_code"),
    [
        (types.OPERATION_STATE_FAILED, "DISK_FULL", 1),
        (types.OPERATION_STATE_FAILED, "HUB_GATED", 5),
        (types.OPERATION_STATE_FAILED, "HUB_UNREACHABLE", 4),
        (types.OPERATION_STATE_FAILED, "HUB_NOT_FOUND", 3),
        (types.OPERATION_STATE_CANCELLED, "CANCELLED", 1),
        (types.OPERATION_STATE_PAUSED, "PAUSED", 1),
    ],
)
def test_an_operation_that_ends_badly_is_an_error(
    rkctl: Rkctl, board: FakeBoard, state: int, reason: str, exit_code: int
) -> None:
    """Its reason decides the exit code, as a status would."""
    ended = operation(5, state)
    ended.error_reason, ended.error_message = reason, "It did not work."
    board.answers["OperationService.Watch"] = [ops.OperationServiceWatchResponse(operation=ended)]

    result = rkctl("ops", "attach", "op1")

    assert f"[{reason}]" in result.stderr
    assert result.exit_code == exit_code


def test_push_prints_the_commit(rkctl: Rkctl, board: FakeBoard) -> None:
    """The address of the commit is data."""
    board.answers["ModelService.Push"] = [
        pb.PushResponse(operation=done(), commit_url="https://hf.co/u/r/commit/1")
    ]

    result = rkctl("push", "tiny", "u/r", "--private")

    assert result.stdout == "https://hf.co/u/r/commit/1\n"
    assert board.requests("ModelService.Push")[0].private


def test_ops_alone_lists(rkctl: Rkctl, board: FakeBoard) -> None:
    """`rkctl ops` is `rkctl ops list`; --json may stand behind either."""
    listed = ops.OperationServiceListResponse(operations=[operation(TOTAL // 2)])
    board.answers["OperationService.List"] = listed

    result = rkctl("ops")

    assert result.stdout == (
        "ID   KIND  MODEL  STATE    DONE  BEGAN  SOURCE\n"
        "op1  pull  tiny   running   50%  -      -\n"
    )
    assert json.loads(rkctl("ops", "--json").stdout)["operations"][0]["id"] == "op1"
    assert json.loads(rkctl("ops", "list", "--json").stdout)["operations"][0]["id"] == "op1"


@pytest.mark.parametrize("verb", ["cancel", "pause", "resume"])
def test_ops_change_an_operation(rkctl: Rkctl, board: FakeBoard, verb: str) -> None:
    """What became of it is told."""
    name = verb.capitalize()
    answer = getattr(ops, f"OperationService{name}Response")(operation=operation())
    board.answers[f"OperationService.{name}"] = answer

    assert rkctl("ops", verb, "op1").stderr == "op1: running\n"


def test_a_daemon_that_stops_leaves_the_operation_to_its_return(
    rkctl: Rkctl, board: FakeBoard
) -> None:
    """Exit 4, and how to attach when it is back."""
    board.answers["ModelService.Pull"] = [
        pb.PullResponse(operation=operation(1)),
        Refusal("UNAVAILABLE", "SHUTTING_DOWN", "The daemon stops."),
    ]

    result = rkctl("pull", "a/b")

    assert "goes on when the daemon is back: rkctl ops attach op1\n" in result.stderr
    assert "[SHUTTING_DOWN]" in result.stderr
    assert result.exit_code == 4


def test_ctrl_c_detaches_and_says_how_to_attach(board: FakeBoard, tmp_path: Path) -> None:
    """SIGINT leaves the operation running on the board; exit 130."""
    board.answers["ModelService.Pull"] = [
        pb.PullResponse(operation=operation(1000)),
        until_cancelled,
    ]
    environment = board.environment(tmp_path) | {"PYTHONPATH": ":".join(sys.path)}
    command = [sys.executable, "-m", "rkctl", "pull", "a/b"]
    with subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as child:
        assert child.stderr is not None
        first = child.stderr.readline()
        child.send_signal(signal.SIGINT)
        out, err = child.communicate(timeout=20)

    assert first.startswith("pull tiny: downloading 0%")
    assert out == ""
    assert "Attach again: rkctl ops attach op1" in err
    assert child.returncode == 130
    assert not board.requests("OperationService.Cancel")
