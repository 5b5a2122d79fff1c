"""The NPU through the whole daemon: runtimes side by side, and deaths that nobody else notices."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest
from google.rpc import error_details_pb2, status_pb2

from rkd.v1 import types_pb2
from tests.integration.npu_daemon import NpuDaemon, add_model, running
from tests.native import standin

TEXT = "Grüße, 世界! 😀👩‍👩‍👧 done. " * 20
MODELFILE = "FROM ./m.rkllm\nPARAMETER num_ctx 2048\n"


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NpuDaemon]:
    """A daemon with runtimes 1.3.0 and 1.2.3, and a model for each."""
    folder = tmp_path_factory.mktemp("npu")
    add_model(folder, "new", MODELFILE, piece=3)
    add_model(folder, "old", MODELFILE + "PARAMETER rkllm_version 1.2.3\n", piece=1)
    add_model(folder, "victim", MODELFILE, piece=1, token_us=200)
    env_form = 'FROM="m.rkllm"\nHUGGINGFACE_PATH="some/repo"\nSYSTEM=""\nTEMPERATURE=0.5\n'
    add_model(folder, "env", env_form + 'RKLLM_VERSION=""\n')
    with running(folder, ["1.3.0", "1.2.3"]) as daemon:
        yield daemon


def reason_of(error: grpc.RpcError) -> str:
    """The ErrorInfo reason of *error*."""
    for key, value in error.trailing_metadata() or ():
        if key == "grpc-status-details-bin":
            status = status_pb2.Status.FromString(value)
            for detail in status.details:
                info = error_details_pb2.ErrorInfo()
                if detail.Unpack(info):
                    return str(info.reason)
    return ""


def test_two_runtimes_side_by_side(daemon: NpuDaemon) -> None:
    """A 1.3.0 and a 1.2.3 library serve two resident models at once, correct to the byte."""
    answers: dict[str, tuple[str, str]] = {}

    def ask(model: str) -> None:
        text, finished = daemon.ask(model, TEXT)
        answers[model] = (text, finished.runtime)

    threads = [threading.Thread(target=ask, args=(model,)) for model in ("new", "old")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert answers == {"new": (TEXT, "rkllm 1.3.0"), "old": (TEXT, "rkllm 1.2.3")}


def test_the_lines_people_know(daemon: NpuDaemon) -> None:
    """A load writes FROM and HuggingFace Path to the log, as rkllama does."""
    daemon.ask("env", "hi")

    assert "FROM: m.rkllm" in daemon.log
    assert "HuggingFace Path: some/repo" in daemon.log


def test_each_has_its_domain(daemon: NpuDaemon) -> None:
    """Two resident models never share an IOMMU domain."""
    for model in ("new", "old"):
        daemon.ask(model, "hi")
    domains = [
        standin.calls(daemon.folder / f"{model}.jsonl", "rkllm_init")[-1]["base_domain_id"]
        for model in ("new", "old")
    ]

    assert len(set(domains)) == 2


@pytest.mark.parametrize(
    ("settings", "code", "reason"),
    [
        ("init_crash=segv", grpc.StatusCode.UNAVAILABLE, "WORKER_CRASHED"),
        ("init_crash=abrt", grpc.StatusCode.UNAVAILABLE, "WORKER_CRASHED"),
        ("init_crash=exit", grpc.StatusCode.UNAVAILABLE, "WORKER_CRASHED"),
        ("init_rc=-1", grpc.StatusCode.FAILED_PRECONDITION, "LOAD_FAILED"),
        ("device=none", grpc.StatusCode.FAILED_PRECONDITION, "NPU_UNAVAILABLE"),
        ("target=RK3576", grpc.StatusCode.FAILED_PRECONDITION, "PLATFORM_MISMATCH"),
        ("toolkit=9.9", grpc.StatusCode.FAILED_PRECONDITION, "RUNTIME_MISMATCH"),
        ("run_crash=segv", grpc.StatusCode.UNAVAILABLE, "WORKER_CRASHED"),
        ("run_crash=exit", grpc.StatusCode.UNAVAILABLE, "WORKER_CRASHED"),
        ("at=crash;at_token=5", grpc.StatusCode.ABORTED, "WORKER_CRASHED"),
        ("at=exit;at_token=5", grpc.StatusCode.ABORTED, "WORKER_CRASHED"),
        ("at=error;at_token=5", grpc.StatusCode.ABORTED, "WORKER_CRASHED"),
    ],
)
def test_deaths(daemon: NpuDaemon, settings: str, code: grpc.StatusCode, reason: str) -> None:
    """Each has its typed error; the pool recovers and the next one is answered."""
    daemon.unload("victim")
    daemon.control.write_text(settings, encoding="utf-8")
    try:
        with pytest.raises(grpc.RpcError) as caught:
            daemon.ask("victim", "hello world")
    finally:
        daemon.control.write_text("", encoding="utf-8")
    text, _ = daemon.ask("victim", "and then")

    assert (caught.value.code(), reason_of(caught.value)) == (code, reason)
    assert text == "and then"


def test_a_load_that_hangs(daemon: NpuDaemon) -> None:
    """A load without a sign of life ends in LOAD_TIMEOUT, its worker with it."""
    daemon.unload("victim")
    daemon.control.write_text("init_hang=1", encoding="utf-8")
    try:
        with pytest.raises(grpc.RpcError) as caught:
            daemon.ask("victim", "hello world")
    finally:
        daemon.control.write_text("", encoding="utf-8")

    assert reason_of(caught.value) == "LOAD_TIMEOUT"
    assert daemon.ask("victim", "and then")[0] == "and then"


@pytest.mark.parametrize("settings", ["abort_hang=1;token_us=500000", "run_hang=1"])
def test_hangs(daemon: NpuDaemon, settings: str) -> None:
    """A library that hangs costs its request the deadline, and the next one a fresh worker."""
    daemon.unload("victim")
    daemon.control.write_text(settings, encoding="utf-8")
    try:
        with pytest.raises(grpc.RpcError) as caught:
            for _ in daemon.generate("victim", "hello world" * 10, timeout_s=2.0):
                pass
    finally:
        daemon.control.write_text("", encoding="utf-8")

    assert caught.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    assert daemon.ask("victim", "and then")[0] == "and then"


def test_no_child_stays(tmp_path: Path) -> None:
    """When the daemon has stopped, no worker is left, whatever the library was doing."""
    add_model(tmp_path, "busy", MODELFILE, token_us=100000)
    with running(tmp_path, ["1.3.0"]) as daemon:
        stream = daemon.generate("busy", "hello " * 100)
        for event in stream:
            if event.HasField("delta"):
                break
        workers = daemon.children()
        stream.cancel()

    assert workers
    assert not [pid for pid in workers if Path(f"/proc/{pid}").exists()]


def test_a_prompt_names_its_backend(daemon: NpuDaemon) -> None:
    """The first event says where it is planned to run, the last where it did."""
    events = list(daemon.generate("new", "hi"))

    assert events[0].accepted.backend == types_pb2.BACKEND_NPU
    assert events[-1].finished.backend == types_pb2.BACKEND_NPU
