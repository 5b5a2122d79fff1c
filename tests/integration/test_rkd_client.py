"""The client library against a real daemon, as its README shows it."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner
from rkctl.main import cli
from rkd_client import (
    AsyncClient,
    Client,
    InvalidInputError,
    NotFoundError,
    RkdError,
    UnauthenticatedError,
    UnavailableError,
)

from tests.hub.server import LocalHub
from tests.integration.daemon_process import DaemonProcess

ROOT = Path(__file__).resolve().parents[2]
SOURCE = "user/repo:Q4_K_M"
BOUND_S = 60


def test_the_readmes_lines_run(tmp_path: Path, tiny_gguf: Path) -> None:
    """Connect, stream an answer, pull with progress, embed: word by word."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    (code,) = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    with LocalHub() as hub:
        hub.add("user/repo", {"tiny-Q4_K_M.gguf": tiny_gguf.read_bytes()}, tags=["gguf"])
        with DaemonProcess(tmp_path, {"HF_ENDPOINT": hub.endpoint}) as daemon:
            with Client(str(daemon.socket)) as client:
                client.pull(SOURCE, name="smollm2").result()
            done = subprocess.run(
                [sys.executable, "-c", code],
                env=daemon.environment,
                capture_output=True,
                text=True,
                timeout=BOUND_S,
                check=False,
            )

    size = tiny_gguf.stat().st_size
    assert done.stderr == ""
    assert f"{size} of {size} bytes" in done.stdout
    assert re.search(r"2 vectors of \d+\n$", done.stdout)


def test_models_are_made_listed_planned_and_removed(daemon: DaemonProcess, tmp_path: Path) -> None:
    """Through the sync half."""
    weights = tmp_path / "w.gguf"
    weights.hardlink_to(daemon.models / "tiny" / "tiny.gguf")
    with Client(str(daemon.socket)) as client:
        digest = client.upload(weights)
        made = client.create("pirate", "FROM ./w.gguf\n", files={"./w.gguf": digest}).result()
        names = [model.name for model in client.list().models]
        fits = client.plan("pirate").fits
        tokens = client.tokenize("pirate", "hello").token_ids
        resident = client.load("pirate").result().resident
        client.unload("pirate")
        freed = client.delete("pirate").freed_bytes
        with pytest.raises(NotFoundError) as caught:
            client.show("pirate")

    assert made.operation.state == "succeeded"
    assert names == ["pirate", "tiny"]
    assert fits
    assert tokens
    assert resident is not None
    assert resident.state == "ready"
    assert freed >= 0
    assert caught.value.reason == "MODEL_NOT_FOUND"


def test_what_a_model_can_do_is_typed(daemon: DaemonProcess) -> None:
    """For each backend: a yes with its details, a no with the reason the error gives too."""
    with Client(str(daemon.socket)) as client:
        npu, cpu = client.show("tiny").backend_capabilities
        with pytest.raises(RkdError) as refused:
            list(client.chat("tiny", "hi", thinking=True))

    assert (npu.backend, npu.available, cpu.backend, cpu.available) == ("npu", False, "cpu", True)
    assert "no .rkllm weights" in npu.reason
    assert cpu.embed.details["pooling"] == "last"
    assert cpu.sampling["seed"].supported
    assert not cpu.thinking.supported
    assert refused.value.reason == "CAPABILITY_UNSUPPORTED"
    assert refused.value.metadata["capability"] == "thinking"
    assert cpu.thinking.reason in refused.value.message
    assert refused.value.remedy == cpu.thinking.remedy


async def test_an_answer_is_streamed_awaited(daemon: DaemonProcess) -> None:
    """Pieces, usage and a refusal with its field, through the asyncio half."""
    async with AsyncClient(str(daemon.socket)) as client:
        answer = client.chat("tiny", "hello", max_tokens=4, temperature=0)
        text = await answer.text()
        with pytest.raises(InvalidInputError) as caught:
            await client.generate("tiny", "x", temperature=9).text()

    assert isinstance(text, str)
    assert answer.finished is not None
    assert answer.finished.usage.completion_tokens <= 4
    assert caught.value.reason == "INVALID_FIELD"


def test_every_call_that_takes_a_name_takes_one_from_elsewhere(daemon: DaemonProcess) -> None:
    """A tag leads to the model it means, wherever a model is named."""
    with Client(str(daemon.socket)) as client:
        client.copy("tiny", "qwen2.5-1.5b")
        name = "qwen2.5:1.5b"
        client.show(name)
        client.generate(name, "x", max_tokens=1).text()
        client.chat(name, "x", max_tokens=1).text()
        client.embed(name, "x")
        client.detokenize(name, client.tokenize(name, "x").token_ids)
        client.plan(name)
        client.load(name).result()
        client.pin(name)
        assert client.unpin(name).was_pinned
        assert client.unload(name).was_resident
        client.copy(name, "again")
        client.create("child", f"FROM {name}\nSYSTEM hi\n").result()
        client.delete(name)
        names = [model.name for model in client.list().models]
        with pytest.raises(InvalidInputError, match="no model here has a name that fits"):
            client.show(name)

    assert names == ["again", "child", "tiny"]


async def test_tls_and_tokens_through_both_halves(tmp_path: Path, tiny_gguf: Path) -> None:
    """An authority of our own, another's token, and what is said where one is missing."""
    tls, tokens = tmp_path / "tls", tmp_path / "tokens"
    runner = CliRunner()
    runner.invoke(cli, ["cert", "init", "--host", "localhost", "--dir", str(tls)])
    made = runner.invoke(cli, ["token", "create", "x", "--role", "admin", "--file", str(tokens)])
    token = made.stdout.strip()
    settings = {
        "RKD_TLS_CERT": str(tls / "server.crt"),
        "RKD_TLS_KEY": str(tls / "server.key"),
        "RKD_TOKEN_FILE": str(tokens),
    }
    board = DaemonProcess(tmp_path / "d", settings)
    (board.models / "tiny").mkdir(parents=True)
    (board.models / "tiny" / "tiny.gguf").hardlink_to(tiny_gguf)
    board.start()
    try:
        tcp = next(one for one in board.addresses if not one.startswith("unix:"))
        at, ca = f"https://localhost:{tcp.rpartition(':')[2]}", str(tls / "ca.crt")
        with Client(at, token=token, ca=ca) as client:
            names = [model.name for model in client.list().models]
            with pytest.raises(UnauthenticatedError, match="TOKEN_INVALID"):
                client.using(token="bad").list()
        async with AsyncClient(at, token=token, ca=ca) as awaited:
            text = await awaited.generate("tiny", "hi", max_tokens=4).text()
            with pytest.raises(UnauthenticatedError, match="TOKEN_MISSING"):
                await awaited.using(token="").generate("tiny", "hi").text()
        with Client(at, token=token) as stranger, pytest.raises(UnavailableError) as caught:
            stranger.list()
    finally:
        board.stop()

    assert names == ["tiny"]
    assert isinstance(text, str)
    assert "TLS" in caught.value.message or "is not trusted" in caught.value.message
