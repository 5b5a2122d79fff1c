"""A native llama-server that can compute on the NPU: off until it is let, then an NPU user."""

from __future__ import annotations

import asyncio
import fcntl
import json
import os
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from rkd.board.read import read_board
from rkd.config import read
from rkd.daemon.settings import llama_device, pool_settings
from rkd.model import BackendKind, Format, Model, ModelName, ModelState, WeightsFile
from rkd.pool.ticket import Ask
from tests.integration.pool_board import Board, answer, board
from tests.models import tiny

LISTED = "  RKNPU: Rockchip NPU (0 MiB, 0 MiB free)"
TREE = Path(__file__).resolve().parents[1] / "data/board/rock-5b"


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A llama-server that lists the NPU, and writes down how it was called."""
    program = tmp_path / "llama-server"
    source = Path(__file__).parents[1] / "models/llama_server.py"
    program.write_text(f'#!/bin/sh\nexec {sys.executable} {source} "$@"\n', encoding="utf-8")
    program.chmod(0o755)
    monkeypatch.setenv("LLAMA_STANDIN_DEVICES", LISTED)
    monkeypatch.setenv("LLAMA_STANDIN_LOG", str(tmp_path / "arguments"))
    return program


def arguments(folder: Path) -> list[list[str]]:
    """How the server was called, each time."""
    text = (folder / "arguments").read_text(encoding="utf-8")
    return [json.loads(line) for line in text.splitlines()]


def gguf(it: Board, name: str) -> Model:
    """A tiny model for the CPU."""
    folder = it.folder / name
    folder.mkdir()
    path = tiny.write(folder / f"{name}.gguf")
    weights = WeightsFile(path, Format.GGUF, path.stat().st_size, 0)
    return Model(ModelName(name), folder, ModelState.READY, weights=(weights,), version="1")


@pytest.mark.parametrize(
    ("environment", "listed", "expected"),
    [
        ({}, LISTED, "none"),
        ({"RKD_LLAMA_SERVER_NPU": "true"}, LISTED, "RKNPU"),
        ({"RKD_LLAMA_SERVER_NPU": "true"}, "  CUDA0: some card", ""),
        ({"RKD_LLAMA_SERVER_NPU": "true", "RKD_LLAMA_SERVER": ""}, LISTED, ""),
        ({"RKD_LLAMA_SERVER": "/nonexistent/llama-server"}, LISTED, ""),
    ],
)
def test_it_is_off_until_it_is_let(
    server: Path,
    monkeypatch: pytest.MonkeyPatch,
    environment: dict[str, str],
    listed: str,
    expected: str,
) -> None:
    """It is asked what it has once, on a board with an NPU."""
    monkeypatch.setenv("LLAMA_STANDIN_DEVICES", listed)
    config = read({"HOME": "/h", "RKD_LLAMA_SERVER": str(server), **environment}, user_id=1)
    here = read_board(TREE, (), access=lambda _: True)

    assert llama_device(config, here) == expected
    assert llama_device(config, replace(here, npu_nodes=())) == ""
    settings = pool_settings(config, here, expected)
    assert settings.llama_on_npu is (expected == "RKNPU")


async def test_let_it_computes_on_the_npu_under_the_lease(server: Path, tmp_path: Path) -> None:
    """One slot, weights as they are, the first domain; it waits while somebody else computes."""
    given = {"llama_server": str(server), "llama_device": "RKNPU", "parallel": 4}
    lease = tmp_path / "npu.lock"
    async with board(tmp_path, versions=(), **given) as it:
        made = gguf(it, "tiny")
        _, served = await answer(it.pool, Ask(made), "a b c")
        (here,) = it.pool.residents()
        with lease.open("a", encoding="ascii") as somebody:
            fcntl.flock(somebody, fcntl.LOCK_EX)
            waiting = asyncio.create_task(answer(it.pool, Ask(made), "a b c"))
            early, _ = await asyncio.wait({waiting}, timeout=0.5)
        await waiting

    assert served.plan.backend is BackendKind.CPU
    assert "(RKNPU)" in served.loaded.runtime
    assert (here.npu_domain, here.slots) == (0, 1)
    assert "--no-repack" in arguments(tmp_path)[0]
    assert not early
    assert not _is_held(lease)


async def test_two_of_them_are_never_in_memory_together(server: Path, tmp_path: Path) -> None:
    """One process of the kind: the second makes the first leave; with .rkllm models it shares."""
    given = {"llama_server": str(server), "llama_device": "RKNPU"}
    async with board(tmp_path, versions=("1.3.0",), **given) as it:
        first, second, npu = gguf(it, "first"), gguf(it, "second"), it.model("npu")
        await answer(it.pool, Ask(npu), "hi")
        await answer(it.pool, Ask(first), "a")
        together = {one.model: one.npu_domain for one in it.pool.residents()}
        await answer(it.pool, Ask(second), "a")
        after = {one.model for one in it.pool.residents()}

    assert "first" not in after
    assert "second" in after
    assert together.get("first") == 0
    assert together.get("npu") != 0


async def test_not_let_it_stays_off_the_npu(server: Path, tmp_path: Path) -> None:
    """It is told to compute on no device; no lease, no domain."""
    given = {"llama_server": str(server), "llama_device": "none"}
    async with board(tmp_path, versions=(), **given) as it:
        await answer(it.pool, Ask(gguf(it, "tiny")), "a")
        (here,) = it.pool.residents()

    (called,) = arguments(tmp_path)
    assert called[called.index("--device") + 1] == "none"
    assert "--no-repack" not in called
    assert here.npu_domain is None


def _is_held(path: Path) -> bool:
    """Whether somebody computes on the NPU."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False
