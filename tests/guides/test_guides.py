"""Every guide, typed command by command into a shell beside a real daemon."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from tests.guides.pages import Block, blocks, commands
from tests.guides.shell import Shell
from tests.hub.server import LocalHub
from tests.integration.daemon_process import ROOT, DaemonProcess
from tests.models import tiny
from tests.native import standin

GUIDES = Path(__file__).resolve().parents[2] / "docs" / "guides"
REPOSITORY = "org/SmolLM2-135M-Instruct-GGUF"


class Reader:
    """
    Somebody who follows a guide word by word, on a board of their own.

    Args:
        folder: everything lies below.
        hub: what the board downloads from.
    """

    def __init__(self, folder: Path, hub: LocalHub) -> None:
        self.home = folder / "home"
        self.etc = folder / "etc"
        self.etc.mkdir(parents=True)
        self.daemon = DaemonProcess(
            folder,
            {
                "HF_ENDPOINT": hub.endpoint,
                "RKD_RKLLM_LIBRARY": str(standin.build("1.3.0")),
            },
        )
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        (self.home / "RKLLAMA").mkdir(parents=True)
        (self.home / "RKLLAMA" / "models").symlink_to(self.daemon.models)
        (self.home / "run" / "rkd").mkdir(parents=True)
        (self.home / "run" / "rkd" / "rkd.sock").symlink_to(self.daemon.socket)
        tiny.write(self.home / "weights.gguf", seed=3)
        standin.weights(self.home / "weights.rkllm")
        model = self.daemon.models / "tiny"
        model.mkdir()
        os.link(self.home / "weights.gguf", model / "tiny.gguf")

    def here(self, text: str) -> str:
        """Say *text* of the page in the places of this board."""
        for theirs, ours in (
            ("/etc/rkd", str(self.etc)),
            ("/run/rkd/rkd.sock", str(self.daemon.socket)),
            ("0.0.0.0:7588", "127.0.0.1:7588"),
            ("7588", str(self.port)),
        ):
            text = text.replace(theirs, ours)
        return text

    def shell(self) -> Shell:
        """A shell that finds the daemon where a user's own is found."""
        known = {
            name: value
            for name, value in self.daemon.environment.items()
            if name not in {"RKD_ENDPOINT", "RKD_LISTEN", "RKD_READY_FILE"}
        }
        found = f"{ROOT}{os.pathsep}{ROOT / 'clients'}"
        return Shell(
            self.home, {**known, "PYTHONPATH": found, "XDG_RUNTIME_DIR": str(self.home / "run")}
        )

    def write(self, block: Block) -> None:
        """Write the configuration the page shows."""
        (self.etc / "rkd.toml").write_text(self.here(block.body), encoding="utf-8")

    def restart(self) -> None:
        """Do what `systemctl restart rkd` does: the file counts, where nothing overrules it."""
        self.daemon.stop()
        self.daemon.environment.pop("RKD_LISTEN", None)
        self.daemon.environment["RKD_CONFIG"] = str(self.etc / "rkd.toml")
        self.daemon.start()


@pytest.mark.timeout(300)
@pytest.mark.parametrize("path", sorted(GUIDES.glob("*.md")), ids=lambda path: path.stem)
def test_a_guide_holds(path: Path, tmp_path: Path) -> None:
    """Each command does what the page says, in its order, in one session."""
    wrong: list[str] = []
    weights = tiny.write(tmp_path / "hub.gguf", seed=4).read_bytes()
    with LocalHub() as hub:
        hub.add(REPOSITORY, {"SmolLM2-135M-Instruct-Q4_K_M.gguf": weights}, tags=["gguf"])
        reader = Reader(tmp_path / "b", hub)
        with reader.daemon, reader.shell() as shell:
            for block in blocks(path.read_text(encoding="utf-8")):
                if block.info == "toml rkd.toml":
                    reader.write(block)
                for command in commands(block) if block.runs else ():
                    if command.line == "sudo systemctl restart rkd":
                        reader.restart()
                        continue
                    code, printed = shell.run(reader.here(command.line))
                    if code or not command.matches(printed):
                        wrong.append(f"$ {command.line}\nexit {code}\n{printed}")

    assert wrong == [], "\n".join(wrong)
