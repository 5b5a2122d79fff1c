"""A daemon told to stop while it answers: it listens on, and says so, until the answer ended."""

from __future__ import annotations

import signal
from contextlib import AbstractContextManager
from pathlib import Path

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from rkd.v1 import inference_pb2 as pb
from rkd.v1 import system_pb2
from rkd.v1.inference_pb2_grpc import InferenceServiceStub
from rkd.v1.system_pb2_grpc import SystemServiceStub
from rkd.v1.types_pb2 import FINISH_REASON_CANCELLED
from tests.integration.daemon_process import reason_of
from tests.integration.npu_daemon import NpuDaemon, add_model, running

MODELFILE = "FROM ./m.rkllm\nPARAMETER num_ctx 2048\n"
LONG = {"answer": "count", "tokens": 1500, "token_us": 100_000}
"""An answer of two and a half minutes: longer than a test may take."""

SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING


def board(folder: Path) -> AbstractContextManager[NpuDaemon]:
    """Prepare one with a slow model."""
    add_model(folder, "slow", MODELFILE, **LONG)
    return running(
        folder, ["1.3.0"], RKD_STOP_GRACE="50s", RKD_LOOP_GUARD="0", RKD_BOARD_NAME="rock-1"
    )


def test_while_it_drains_it_listens_and_says_so(tmp_path: Path) -> None:
    """
    NOT_SERVING on old connections and new ones, SHUTTING_DOWN for what is new, until the end.

    What runs can be seen and ended; a watcher of health does not keep the daemon.
    """
    address = f"unix:{tmp_path}/rkd.sock"
    with board(tmp_path) as daemon, grpc.insecure_channel(address) as watching:
        states = health_pb2_grpc.HealthStub(watching).Watch(
            health_pb2.HealthCheckRequest(), timeout=60
        )
        first = next(states).status
        running_ = daemon.generate("slow", "hi", timeout_s=60)
        accepted = next(running_).accepted
        daemon.process.send_signal(signal.SIGTERM)
        then = next(states).status
        with grpc.insecure_channel(address, (("grpc.use_local_subchannel_pool", 1),)) as fresh:
            check = health_pb2_grpc.HealthStub(fresh).Check
            seen = check(health_pb2.HealthCheckRequest(), timeout=30).status
            inference = InferenceServiceStub(fresh)
            with pytest.raises(grpc.RpcError) as refused:
                next(inference.Generate(pb.GenerateRequest(model="slow", prompt="a"), timeout=30))
            status = SystemServiceStub(fresh).GetStatus(system_pb2.GetStatusRequest(), timeout=30)
            inference.Cancel(pb.CancelRequest(request_ids=[accepted.request_id]), timeout=30)
        *_, last = running_
        with pytest.raises(grpc.RpcError) as ended:
            list(states)
        code = daemon.process.wait(40)

    named = dict(running_.initial_metadata()), dict(refused.value.trailing_metadata())
    assert (first, then, seen) == (SERVING, NOT_SERVING, NOT_SERVING)
    assert reason_of(refused.value)[0] == "SHUTTING_DOWN"
    assert [one["x-rkd-board"] for one in named] == ["rock-1", "rock-1"]
    assert [one.request_id for one in status.streams] == [accepted.request_id]
    assert last.finished.finish_reason == FINISH_REASON_CANCELLED
    assert (ended.value.code(), code) == (grpc.StatusCode.UNAVAILABLE, 0)


def test_an_answer_longer_than_the_grace_is_ended(tmp_path: Path) -> None:
    """Told so, and within the bound of a stop."""
    add_model(tmp_path, "slow", MODELFILE, **LONG)
    with running(tmp_path, ["1.3.0"], RKD_STOP_GRACE="0s", RKD_LOOP_GUARD="0") as daemon:
        call = daemon.generate("slow", "hi", timeout_s=60)
        next(call)
        daemon.process.send_signal(signal.SIGTERM)
        with pytest.raises(grpc.RpcError):
            list(call)
        code = daemon.process.wait(40)

    assert code == 0
