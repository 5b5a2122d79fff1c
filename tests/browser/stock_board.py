"""A board with models in every state, and the tests' hub behind it."""

from __future__ import annotations

import os
from pathlib import Path

from tests.hub.server import LocalHub
from tests.hub.weights import gguf
from tests.integration.daemon_process import DaemonProcess
from tests.models import tiny

MEBI = 1 << 20
MODELFILE = "FROM ./tiny.gguf\nSYSTEM You are brief.\nPARAMETER temperature 0.5\n"
WRONG = "FROM ./w.gguf\nPARAMETER temprature 1\n"
HOSTILE = (
    'FROM ./h.gguf\nSYSTEM """<img src=x onerror="window.hit=1"><script>window.hit=1</script>\n'
    'turned \u202eround {{window.hit=1}}"""\n'
)
HOSTILE_CARD = (
    "---\nlicense: mit\n---\n# Tiny\n\nA *tiny* model.\n\n<script>window.hit=1</script>"
    "<img src=x onerror='window.hit=1'><style>body{display:none}</style>"
    "[out](javascript:window.hit=1) ![far](https://elsewhere.example/p.png)\n\nturned \u202eround\n"
    "\n|a|b|\n|-|-|\n|1|2|\n"
)


def board(folder: Path, **settings: str) -> DaemonProcess:
    """Make a daemon with a model that is ready, one bare, one wrong, one hostile; not started."""
    made = DaemonProcess(folder, {"XDG_CONFIG_HOME": str(folder / "config"), **settings})
    tiny_file = model(made, "tiny", MODELFILE)
    for name, file, text in (("wrong", "w.gguf", WRONG), ("hostile", "h.gguf", HOSTILE)):
        (made.models / name).mkdir()
        os.link(tiny_file, made.models / name / file)
        (made.models / name / "Modelfile").write_text(text, encoding="utf-8")
    (made.models / "bare").mkdir()
    (made.models / "bare" / "bare.rkllm").write_bytes(b"weights" * 1000)
    return made


def model(made: DaemonProcess, name: str, text: str) -> Path:
    """Put a tiny model called *name* on the board; returns its weights."""
    home = made.models / name
    home.mkdir()
    tiny.write(home / "tiny.gguf")
    (home / "Modelfile").write_text(text, encoding="utf-8")
    return home / "tiny.gguf"


def fill(hub: LocalHub) -> None:
    """Put repositories of both formats on *hub*, each of which some filter finds alone."""
    quants = {"Q4_K_M": 12, "Q8_0": 20, "Q2_K": 6}
    files: dict[str, bytes | Path] = {
        f"tiny-1b-{kind}.gguf": gguf(size * MEBI) for kind, size in quants.items()
    }
    hub.add(
        "org/Tiny-1B-GGUF",
        {**files, "README.md": HOSTILE_CARD.encode()},
        downloads=12345,
        likes=67,
        license="mit",
        tags=["gguf"],
        gguf={"total": 1_100_000_000, "architecture": "llama", "context_length": 2048},
    )
    hub.add(
        "other/Tiny-7B-GGUF",
        {"seven-7b-Q5_K_M.gguf": gguf(2 * MEBI)},
        downloads=99,
        likes=300,
        gated="auto",
        tags=["gguf"],
        gguf={"total": 7_000_000_000, "architecture": "llama", "context_length": 4096},
    )
    hub.add(
        "npu/Tiny-1B-rkllm",
        {"tiny-1b-w8a8-rk3588.rkllm": os.urandom(2 * MEBI)},
        downloads=9,
        tags=["rkllm"],
    )
    for number in range(12):
        hub.add(
            f"many/Small-{number:02}-GGUF",
            {f"small-{number:02}-Q4_0.gguf": gguf(1 * MEBI)},
            downloads=500 + number,
            tags=["gguf"],
            gguf={"total": 500_000_000, "architecture": "llama", "context_length": 2048},
        )
