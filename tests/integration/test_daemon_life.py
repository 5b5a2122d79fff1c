"""A daemon told to stop while it starts, and one whose log nobody takes."""

from __future__ import annotations

import fcntl
import os
import signal
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import grpc
import pytest

from rkd.v1 import inference_pb2 as pb
from rkd.v1 import models_pb2
from tests.integration.daemon_process import DaemonProcess, alive, reason_of, wait_for


@contextmanager
def board(folder: Path, gguf: Path) -> Iterator[DaemonProcess]:
    """A daemon with one tiny model, not started."""
    made = DaemonProcess(folder, {"RKD_LOG_LEVEL": "debug"})
    (made.models / "tiny").mkdir()
    (made.models / "tiny" / "tiny.gguf").hardlink_to(gguf)
    try:
        yield made
    finally:
        made.__exit__(None, None, None)


def generate(daemon: DaemonProcess) -> str:
    """How an answer of four tokens ended."""
    request = pb.GenerateRequest(model="tiny", prompt="a", raw=True)
    request.options.sampling.max_tokens = 4
    with daemon.stubs() as stubs:
        *_, last = stubs.inference.Generate(request, timeout=60)
    return last.WhichOneof("event")


def test_a_reader_of_the_log_that_goes_away_stops_nothing(tmp_path: Path, tiny_gguf: Path) -> None:
    """`rkd 2>&1 | tee f`, and tee ends: answers come all the same."""
    reader, writer = os.pipe()
    with board(tmp_path, tiny_gguf) as daemon:
        daemon.start(writer)
        os.close(writer)
        os.close(reader)

        assert [generate(daemon) for _ in range(2)] == ["finished"] * 2
        assert daemon.stop() == 0


def test_a_reader_of_the_log_that_sleeps_stops_nothing(tmp_path: Path, tiny_gguf: Path) -> None:
    """The pipe is full from the first lines on."""
    reader, writer = os.pipe()
    fcntl.fcntl(writer, fcntl.F_SETPIPE_SZ, 4096)
    with board(tmp_path, tiny_gguf) as daemon:
        daemon.start(writer)
        os.close(writer)
        with daemon.stubs() as stubs:
            for _ in range(20):
                stubs.models.List(models_pb2.ListRequest())

        assert generate(daemon) == "finished"
        assert daemon.stop() == 0
    os.close(reader)


@pytest.mark.parametrize("seen", ["lock", "socket"])
def test_told_to_stop_while_it_starts_it_stops_well(
    tmp_path: Path, tiny_gguf: Path, seen: str
) -> None:
    """Exit code 0 and no socket left, whether it was bound already or not."""
    with board(tmp_path, tiny_gguf) as daemon:
        lock = tmp_path / "state" / "lock"
        daemon.launch()
        wait_for((lock if seen == "lock" else daemon.socket).exists, "it to begin")
        daemon.signal(signal.SIGTERM)

        assert daemon.wait() == 0
        assert not daemon.socket.exists()


def test_a_worker_that_is_stopped_does_not_keep_the_daemon(tmp_path: Path, tiny_gguf: Path) -> None:
    """SIGSTOP, as a debugger would: told to stop, the daemon ends with its worker."""
    with board(tmp_path, tiny_gguf) as daemon:
        daemon.environment["RKD_STOP_GRACE"] = "1s"
        daemon.start()
        generate(daemon)
        (worker,) = [pid for pid in daemon.children() if alive(pid)]
        os.kill(worker, signal.SIGSTOP)

        assert daemon.stop() == 0
        wait_for(lambda: not alive(worker), "the worker to be gone")


def test_a_queue_that_is_full_says_so_to_every_call(tmp_path: Path, tiny_gguf: Path) -> None:
    """Two hundred calls on one channel: each has its answer or QUEUE_FULL, none is lost."""
    request = pb.GenerateRequest(model="tiny", prompt="a", raw=True)
    request.options.sampling.max_tokens = 2
    with board(tmp_path, tiny_gguf) as daemon:
        daemon.environment["RKD_MAX_QUEUE"] = "8"
        daemon.start()
        with daemon.stubs() as stubs:
            calls = [stubs.inference.Generate(request, timeout=120) for _ in range(200)]
            ends = [ending(call) for call in calls]

    assert set(ends) == {"finished", "QUEUE_FULL"}
    assert ends.count("finished") >= 8


def ending(call: Iterable[pb.GenerateResponse]) -> str:
    """How a stream ended: its last event, or the reason of its error."""
    try:
        *_, last = call
    except grpc.RpcError as error:
        return reason_of(error)[0]
    return str(last.WhichOneof("event"))


@pytest.mark.parametrize("killed", [False, True])
def test_the_spare_worker_serves_and_ends_with_the_daemon(
    tmp_path: Path, tiny_gguf: Path, *, killed: bool
) -> None:
    """It is there before anybody asks, becomes the model's, and nothing outlives the daemon."""
    with board(tmp_path, tiny_gguf) as daemon:
        daemon.environment["RKD_SPARE_WORKER"] = "true"
        daemon.start()
        seen: list[list[int]] = []

        def children(count: int) -> bool:
            seen.append(daemon.children())
            return len(seen[-1]) == count

        wait_for(lambda: children(1), "the spare worker")
        (spare,) = seen[-1]
        generate(daemon)
        wait_for(lambda: children(2), "the next one")
        both = seen[-1]

        if killed:
            daemon.kill()
        else:
            assert daemon.stop() == 0

        assert spare in both
        wait_for(lambda: not any(map(alive, both)), "both to be gone")
