"""What an idle daemon has not imported, and that it is there when somebody wants it."""

from __future__ import annotations

import re
from pathlib import Path

import grpc
import pytest

from rkd.v1 import hub_pb2, models_pb2, operations_pb2, system_pb2
from rkd.v1.hub_pb2_grpc import HubServiceStub
from rkd.v1.operations_pb2_grpc import OperationServiceStub
from tests.integration.daemon_process import DaemonProcess, reason_of

_IMPORTED = re.compile(r"^import time:.*\| +(\S+)$", re.MULTILINE)

NOT_IDLE = (
    "rkd.hub",
    "rkd.service.hub",
    "rkd.service.making",
    "rkd.daemon.hubside",
    "rkd.daemon.diagnosis",
    "rkd.telemetry.doctor",
    *(f"rkd.operations.{name}" for name in ("bundle", "create", "create_start", "order")),
    *(f"rkd.operations.{name}" for name in ("pull", "pull_order", "push", "tokenizer", "workshop")),
    "rkd.modelfile.lint",
    "rkd.backend",
    "rkd.worker",
    *(
        "huggingface_hub",
        "httpx",
        "email",
        "rich.console",
        "jinja2",
        "tokenizers",
        "xllamacpp",
        "PIL",
    ),
)
"""Rooms, modules and packages that no idle daemon needs."""

EXCEPT = frozenset({"rkd.hub", "rkd.hub.headroom"})
"""The name of the room, and what a verdict is asked with."""


def imported(daemon: DaemonProcess) -> frozenset[str]:
    """Every module it has imported, as the interpreter tells."""
    return frozenset(_IMPORTED.findall(daemon.log.read_text()))


def needless(modules: frozenset[str]) -> list[str]:
    """Return those of *modules* an idle daemon does not need."""
    return sorted(
        one for one in modules - EXCEPT if any(f"{one}.".startswith(f"{no}.") for no in NOT_IDLE)
    )


@pytest.fixture
def daemon(tmp_path: Path) -> DaemonProcess:
    """A daemon that tells what it imports."""
    settings = {"PYTHONPROFILEIMPORTTIME": "1", "RKD_OFFLINE": "true"}
    return DaemonProcess(tmp_path, settings)


def test_an_idle_daemon_has_not_imported_what_it_does_not_need(daemon: DaemonProcess) -> None:
    """Nor do lists bring it."""
    with daemon, daemon.channel() as channel, daemon.stubs() as stubs:
        stubs.models.List(models_pb2.ListRequest())
        OperationServiceStub(channel).List(operations_pb2.OperationServiceListRequest())
        modules = imported(daemon)

    assert "rkd.service.models" in modules
    assert needless(modules) == []


def test_who_wants_it_has_it(daemon: DaemonProcess) -> None:
    """A search, a pull and the doctor bring what they need, and are answered by it."""
    with daemon, daemon.channel() as channel, daemon.stubs() as stubs:
        for call in (
            lambda: HubServiceStub(channel).Search(hub_pb2.SearchRequest(query="x")),
            lambda: list(stubs.models.Pull(models_pb2.PullRequest(source="user/repo"))),
        ):
            with pytest.raises(grpc.RpcError) as caught:
                call()
            assert reason_of(caught.value)[0] == "OFFLINE"
        assert stubs.system.Doctor(system_pb2.DoctorRequest()).findings
