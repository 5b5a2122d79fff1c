"""`rkctl verify` as its user types it: over TLS, with a token, and Ctrl-C in any row."""

from __future__ import annotations

import contextlib
import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from click.testing import CliRunner
from rkctl.main import cli

from rkd.v1 import pool_pb2, types_pb2
from tests.integration.npu_daemon import NpuDaemon, running
from tests.integration.verify_board import (
    GOOD,
    LOAD_BOUND_S,
    RUN_BOUND_S,
    Scenario,
    board,
    environment,
    write_models,
)
from tests.native import standin

pytestmark = pytest.mark.timeout(2 * RUN_BOUND_S)

ROWS = ("1", "2", "4", "8", "10", "26", "31")
"""Some of each kind: what is read, loaded, asked and ended."""

BEFORE = 1024
"""Context of what is in memory before; no row wants it."""


@dataclass(frozen=True, slots=True)
class Guarded:
    """A daemon behind TLS and tokens, and the words with which `rkctl` reaches it."""

    daemon: NpuDaemon
    words: tuple[str, ...]
    token: str


@contextlib.contextmanager
def guarded(folder: Path, control: str = "") -> Iterator[Guarded]:
    """Run it below *folder*, one model in memory."""
    tls, tokens = folder / "tls", folder / "tokens"
    runner = CliRunner()
    runner.invoke(cli, ["cert", "init", "--host", "localhost", "--dir", str(tls)])
    made = runner.invoke(cli, ["token", "create", "x", "--role", "admin", "--file", str(tokens)])
    token = made.stdout.strip()
    write_models(folder, Scenario(""))
    (folder / "control").write_text(f"{GOOD}{control}\n", encoding="utf-8")
    settings = {
        "RKD_LISTEN": f"unix:{folder}/rkd.sock,127.0.0.1:0",
        "RKD_TLS_CERT": str(tls / "server.crt"),
        "RKD_TLS_KEY": str(tls / "server.key"),
        "RKD_TOKEN_FILE": str(tokens),
    }
    root = board(folder / "root", (4, 5, 6, 7))
    with running(
        folder, ("1.3.1",), sysroot=root, load_timeout_s=LOAD_BOUND_S, **settings
    ) as daemon:
        addresses = json.loads((folder / "ready").read_text(encoding="utf-8"))["addresses"]
        port = next(one for one in addresses if not one.startswith("unix:")).rpartition(":")[2]
        asked = pool_pb2.LoadRequest(
            model="qwen", backend=types_pb2.BACKEND_NPU, context_tokens=BEFORE
        )
        list(daemon.pool.Load(asked, timeout=LOAD_BOUND_S))
        at = ("--endpoint", f"https://localhost:{port}", "--ca", str(tls / "ca.crt"))
        yield Guarded(daemon, (*at, "--token", token), token)


def started(folder: Path, it: Guarded, *arguments: str) -> subprocess.Popen[str]:
    """`rkctl verify` over TLS."""
    variables = {key: value for key, value in environment(folder).items() if key != "RKD_ENDPOINT"}
    command = [
        sys.executable, "-m", "rkctl", "verify", *it.words, "--json", "--report", "report.md",
        *arguments,
    ]  # fmt: skip
    return subprocess.Popen(
        command, env=variables, cwd=folder, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip


def in_memory(it: Guarded) -> list[tuple[str, int]]:
    """Which models are there, and their contexts."""
    told = it.daemon.pool.ListResident(pool_pb2.ListResidentRequest(), timeout=LOAD_BOUND_S)
    return [(one.model, one.context_tokens) for one in told.residents]


def test_rows_are_judged_over_tls_with_a_token(tmp_path: Path) -> None:
    """As on the socket of the board; the report says neither token nor address nor authority."""
    with guarded(tmp_path) as it:
        said, error = started(tmp_path, it, *(f"--row={one}" for one in ROWS)).communicate(
            timeout=RUN_BOUND_S
        )
        after = in_memory(it)
    found = {row["row"]: row["result"] for row in map(json.loads, said.splitlines())}
    report = (tmp_path / "report.md").read_text(encoding="utf-8")

    assert found == dict.fromkeys(ROWS, "holds"), said + error
    assert after == [("qwen", BEFORE)]
    for secret in (it.token, it.token[-12:], "localhost", "https", "ca.crt", "/tmp"):
        assert secret not in report + said + error


def test_a_wrong_token_is_told_at_once(tmp_path: Path) -> None:
    """And no report is left, nor the token said."""
    with guarded(tmp_path) as it:
        wrong = Guarded(it.daemon, (*it.words[:-1], "wrong-token-of-mine"), "")
        said, error = (process := started(tmp_path, wrong)).communicate(timeout=RUN_BOUND_S)

    assert "TOKEN_INVALID" in error
    assert process.returncode != 0
    assert "wrong-token-of-mine" not in said + error
    assert not (tmp_path / "report.md").exists()


@pytest.mark.parametrize(
    ("row", "control", "call", "count"),
    [
        pytest.param("7", "token_us?colours of threads=100000", "rkllm_run", 1, id="asks"),
        pytest.param("10", "load_ms=3000", "rkllm_init", 1, id="loads"),
        pytest.param("13", "token_us?Two at once=300000", "rkllm_run", 1, id="two-at-once"),
        pytest.param("32", "prefill_ms?Read all of this=9000", "rkllm_run", 1, id="reads"),
    ],
)
def test_ctrl_c_leaves_the_daemon_as_it_was(
    tmp_path: Path, row: str, control: str, call: str, count: int
) -> None:
    """In a row that asks, loads, asks two models or reads: what was in memory is, and as it was."""
    with guarded(tmp_path, control) as it:
        earlier = len(standin.calls(tmp_path / "qwen.jsonl", call))
        process = started(tmp_path, it, f"--row={row}")
        until_s = time.monotonic() + RUN_BOUND_S
        while len(standin.calls(tmp_path / "qwen.jsonl", call)) < earlier + count:
            assert process.poll() is None, process.communicate()
            assert time.monotonic() < until_s
            time.sleep(0.02)
        process.send_signal(signal.SIGINT)
        said, error = process.communicate(timeout=RUN_BOUND_S)
        after = in_memory(it)
        text, _ = it.daemon.ask("qwen", "Count to five")
    report = (tmp_path / "report.md").read_text(encoding="utf-8")

    assert process.returncode == 130, said + error
    assert after == [("qwen", BEFORE)], said + error
    assert text == "One, two, three, four, five."
    assert "stopped before the end" in report
    assert json.loads(report.partition("```json\n")[2].partition("```")[0])["rows"] == []
    assert it.token not in report + said + error
