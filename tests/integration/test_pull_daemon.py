"""Pulls through a real daemon: over gRPC, across its death, and past its orderly end."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest

from rkd.v1 import hub_pb2, models_pb2, operations_pb2
from rkd.v1 import types_pb2 as types
from rkd.v1.hub_pb2_grpc import HubServiceStub
from rkd.v1.models_pb2_grpc import ModelServiceStub
from rkd.v1.operations_pb2_grpc import OperationServiceStub
from tests.hub.server import LocalHub
from tests.hub.store import Fault
from tests.integration.daemon_process import DaemonProcess, reason_of, wait_for

MEBI = 1 << 20
WEIGHTS = b"GGUF" + os.urandom(16 * MEBI)
FILE = "tiny-Q4_K_M.gguf"
REPOSITORY = "org/tiny-GGUF"
BOUND_S = 40


@pytest.fixture
def hub() -> Iterator[LocalHub]:
    """Run a hub at the speed of a good line."""
    with LocalHub(rate_bytes_per_s=16 * MEBI) as hub:
        hub.add(REPOSITORY, {FILE: WEIGHTS}, tags=["gguf"], downloads=7)
        hub.add("org/gated", {"g-Q8_0.gguf": WEIGHTS[:MEBI]}, gated="auto")
        yield hub


def daemon_of(hub: LocalHub, folder: Path, **settings: str) -> DaemonProcess:
    """Make a daemon that asks this hub."""
    return DaemonProcess(folder, {"HF_ENDPOINT": hub.endpoint, "HF_TOKEN": "hf_good"} | settings)


def pull(channel: grpc.Channel, **wanted: object) -> Iterator[models_pb2.PullResponse]:
    """Start a pull."""
    request = models_pb2.PullRequest(**{"source": REPOSITORY, "name": "tiny"} | wanted)
    return ModelServiceStub(channel).Pull(request, timeout=BOUND_S)


def test_a_pull_ends_in_a_listed_model(hub: LocalHub, tmp_path: Path) -> None:
    """Responses tell licence and growing progress; the last has succeeded; List shows it."""
    with daemon_of(hub, tmp_path) as daemon, daemon.channel() as channel:
        steps = list(pull(channel))
        listed = ModelServiceStub(channel).List(models_pb2.ListRequest(), timeout=BOUND_S)
        done = [step.operation.progress.done_bytes for step in steps]

        assert steps[-1].operation.state == types.OPERATION_STATE_SUCCEEDED
        assert steps[-1].license == "apache-2.0"
        assert done == sorted(done)
        assert done[-1] == len(WEIGHTS)
        assert [model.name for model in listed.models] == ["tiny"]
        assert (daemon.models / "tiny" / FILE).read_bytes() == WEIGHTS
    assert b"hf_good" not in daemon.log.read_bytes()


def test_refusals_reach_the_client_as_the_contract_says(hub: LocalHub, tmp_path: Path) -> None:
    """Status and reason for missing, gated, bad source and offline."""
    with daemon_of(hub, tmp_path, HF_TOKEN="") as daemon, daemon.channel() as channel:
        cases = (
            ("org/gated", "gated", grpc.StatusCode.PERMISSION_DENIED, "HUB_GATED"),
            (f"{REPOSITORY}:Q8_0", "x", grpc.StatusCode.NOT_FOUND, "HUB_NOT_FOUND"),
            ("nonsense", "x", grpc.StatusCode.INVALID_ARGUMENT, "INVALID_FIELD"),
            (REPOSITORY, "../x", grpc.StatusCode.INVALID_ARGUMENT, "INVALID_NAME"),
        )
        for source, name, code, reason in cases:
            with pytest.raises(grpc.RpcError) as caught:
                list(pull(channel, source=source, name=name))
            assert (caught.value.code(), reason_of(caught.value)[0]) == (code, reason)
        assert list(daemon.models.iterdir()) == [] or not (daemon.models / "gated").exists()
    with daemon_of(hub, tmp_path, RKD_OFFLINE="true") as daemon, daemon.channel() as channel:
        with pytest.raises(grpc.RpcError) as caught:
            list(pull(channel))
        assert reason_of(caught.value)[0] == "OFFLINE"


def test_a_detached_pull_is_listed_watched_paused_and_cancelled(
    hub: LocalHub, tmp_path: Path
) -> None:
    """The client goes, the operation stays; another client does with it what it wants."""
    with daemon_of(hub, tmp_path) as daemon, daemon.channel() as channel:
        operations = OperationServiceStub(channel)
        (started,) = pull(channel, detach=True)
        id_ = started.operation.id
        listed = operations.List(operations_pb2.OperationServiceListRequest(active=True))
        assert [one.id for one in listed.operations] == [id_]
        watch = operations.Watch(
            operations_pb2.OperationServiceWatchRequest(id=id_), timeout=BOUND_S
        )
        for change in watch:
            if change.operation.progress.done_bytes > MEBI:
                break
        watch.cancel()
        paused = operations.Pause(operations_pb2.OperationServicePauseRequest(id=id_))
        assert paused.operation.state == types.OPERATION_STATE_PAUSED
        operations.Resume(operations_pb2.OperationServiceResumeRequest(id=id_))
        cancelled = operations.Cancel(operations_pb2.OperationServiceCancelRequest(id=id_))
        assert cancelled.operation.state == types.OPERATION_STATE_CANCELLED
        with pytest.raises(grpc.RpcError) as caught:
            operations.Get(operations_pb2.OperationServiceGetRequest(id="pull-00000000"))

        assert reason_of(caught.value)[0] == "OPERATION_NOT_FOUND"
        assert list(daemon.models.iterdir()) == []


def test_a_killed_daemon_goes_on_by_itself(hub: LocalHub, tmp_path: Path) -> None:
    """SIGKILL, and SIGTERM with a client attached: the pull ends in the third life."""
    daemon = daemon_of(hub, tmp_path)
    with daemon, daemon.channel() as channel:
        for step in pull(channel):
            if step.operation.progress.done_bytes > 2 * MEBI:
                break
        daemon.kill()
    daemon = daemon_of(hub, tmp_path)
    with daemon, daemon.channel() as channel:
        steps = pull(channel)
        for step in steps:
            if step.operation.progress.done_bytes > 6 * MEBI:
                break
        daemon.signal(signal.SIGTERM)
        with pytest.raises(grpc.RpcError) as caught:
            list(steps)
        assert reason_of(caught.value)[0] == "SHUTTING_DOWN"
        assert daemon.wait() == 0
    daemon = daemon_of(hub, tmp_path)
    with daemon, daemon.channel() as channel:
        operations = OperationServiceStub(channel)
        (known,) = operations.List(operations_pb2.OperationServiceListRequest()).operations
        changes = list(
            operations.Watch(
                operations_pb2.OperationServiceWatchRequest(id=known.id), timeout=BOUND_S
            )
        )

        assert changes[-1].operation.state == types.OPERATION_STATE_SUCCEEDED
        assert (daemon.models / "tiny" / FILE).read_bytes() == WEIGHTS
        assert hub.sent_bytes(FILE) <= len(WEIGHTS) + 2 * MEBI


@pytest.mark.parametrize("where", ["api", "hub"])
def test_a_silent_hub_does_not_hold_up_the_end(hub: LocalHub, tmp_path: Path, where: str) -> None:
    """SIGTERM while a question, or a file, waits for its first byte: the daemon ends at once."""
    hub.break_with(Fault(where, "silence"))
    with daemon_of(hub, tmp_path, RKD_HUB_READ_TIMEOUT="5m") as daemon, daemon.channel() as channel:
        steps = pull(channel)
        next(steps)
        wait_for(lambda: not hub.store.faults, "the hub to be asked")
        daemon.signal(signal.SIGTERM)

        assert daemon.wait() == 0


def test_the_hub_is_browsed(hub: LocalHub, tmp_path: Path) -> None:
    """Search pages, ListFiles judges, GetCard is empty where there is none."""
    with daemon_of(hub, tmp_path) as daemon, daemon.channel() as channel:
        stub = HubServiceStub(channel)
        first = stub.Search(hub_pb2.SearchRequest(page_size=1), timeout=BOUND_S)
        second = stub.Search(
            hub_pb2.SearchRequest(page_size=1, page_token=first.next_page_token), timeout=BOUND_S
        )
        files = stub.ListFiles(hub_pb2.ListFilesRequest(repository=REPOSITORY), timeout=BOUND_S)
        card = stub.GetCard(hub_pb2.GetCardRequest(repository=REPOSITORY), timeout=BOUND_S)

        assert [one.id for one in first.repositories] == [REPOSITORY]
        assert not second.next_page_token or second.repositories
        assert files.variants[0].tag == "Q4_K_M"
        assert files.variants[0].verdict == hub_pb2.VERDICT_FITS
        assert files.variants[0].recommended
        assert card.text == ""


def test_a_search_guesses_sizes(hub: LocalHub, tmp_path: Path) -> None:
    """From the parameters the hub knows and the kinds in the names of the files."""
    files: dict[str, bytes | Path] = {"k-Q8_0.gguf": WEIGHTS[:9], "k-Q4_0.gguf": WEIGHTS[:9]}
    hub.add("org/known", files, tags=["gguf"], gguf={"total": 8_000_000})
    with daemon_of(hub, tmp_path) as daemon, daemon.channel() as channel:
        request = hub_pb2.SearchRequest(query="known")
        (found,) = HubServiceStub(channel).Search(request, timeout=BOUND_S).repositories

    assert (found.min_size_bytes, found.max_size_bytes) == (4_500_000, 8_500_000)
