"""
Makes the pictures of terminals in the docs, from real runs: `python docs/pictures/make.py`.

A daemon is started with SmolLM2 and a hub of the tests; what rkctl prints on a terminal of 88
columns becomes an SVG beside this file. Nothing is drawn by hand.
"""

from __future__ import annotations

import os
import pty
import re
import select
import struct
import sys
import tempfile
import termios
import time
from collections.abc import Sequence
from fcntl import ioctl
from io import StringIO
from pathlib import Path

from rich.console import Console
from rich.terminal_theme import MONOKAI
from rich.text import Text

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from tests.hub.server import LocalHub  # noqa: E402 - found by the line above
from tests.integration.daemon_process import DaemonProcess  # noqa: E402 - the same
from tests.models import tiny  # noqa: E402 - the same

HERE = Path(__file__).parent
MODEL = ROOT / ".cache" / "models" / "SmolLM2-135M-Instruct.Q4_1.gguf"
COLUMNS, LINES = 88, 30
QUIET_S = 1.5
"""A program that prints nothing for this long waits for the next key."""
BOUND_S = 60.0
REPOSITORY = "org/SmolLM2-135M-Instruct-GGUF"

PICTURES: dict[str, Sequence[tuple[str, Sequence[str]]]] = {
    "ask": [
        ("list", ()),
        ('run smollm2 "What is a computer? Answer in one sentence."', ()),
        ("ps", ()),
    ],
    "chat": [("run smollm2", ("Name three rivers.\r", "And the longest of all?\r", "/bye\r"))],
    "find": [("search smollm2", ()), (f"files {REPOSITORY}", ())],
    "look": [("status", ()), ("doctor", ())],
    "error": [("run smolm hello", ()), ("load smollm2 --plan --num-ctx 8192", ())],
}
"""Each picture: commands, and what is typed into each of them."""


def run(line: str, keys: Sequence[str], environment: dict[str, str]) -> str:
    """Run `rkctl line` on a terminal, type *keys*, return everything it showed."""
    pid, terminal = pty.fork()
    if pid == 0:
        os.execve("/bin/sh", ["sh", "-c", f"exec {sys.executable} -m rkctl {line}"], environment)
    ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", LINES, COLUMNS, 0, 0))
    shown, left, until_s = b"", list(keys), time.monotonic() + BOUND_S
    while time.monotonic() < until_s:
        ready, _, _ = select.select([terminal], [], [], QUIET_S)
        if ready:
            try:
                piece = os.read(terminal, 65536)
            except OSError:  # the terminal is gone with its program
                break
            if not piece:
                break
            shown += piece
        elif left:
            os.write(terminal, left.pop(0).encode())
    os.close(terminal)
    os.waitpid(pid, 0)
    return settled(shown.decode(errors="replace"))


def settled(shown: str) -> str:
    """What is left to see when lines were written over: the last writing of each."""
    shown = re.sub(r"\x1b\[\?[0-9;]*[a-z]", "", shown).replace("\r\n", "\n")
    lines = [line.rsplit("\r", 1)[-1] for line in shown.split("\n")]
    lines = [re.sub(r"\x1b\[[0-9]*[A-HJKST]", "", line) for line in lines]
    return "\n".join(lines).rstrip("\n")


def draw(name: str, shown: str) -> None:
    """Write *shown* as an SVG."""
    console = Console(
        record=True, width=COLUMNS, file=StringIO(), force_terminal=True, color_system="truecolor"
    )
    console.print(Text.from_ansi(shown))
    svg = console.export_svg(title="rkctl", theme=MONOKAI, unique_id=f"rkd-{name}")
    # Fonts are the reader's: a picture asks no other server for anything.
    svg = re.sub(r"@font-face \{.*?\}\s*", "", svg, flags=re.DOTALL)
    (HERE / f"{name}.svg").write_text(svg, encoding="utf-8")


def main() -> None:
    """Make every picture, or those named."""
    with tempfile.TemporaryDirectory() as folder, LocalHub() as hub:
        home = Path(folder)
        weights = tiny.write(home / "w.gguf").read_bytes()
        files = {
            f"SmolLM2-135M-Instruct-{quant}.gguf": weights + bytes(size << 20)
            for quant, size in (("Q4_K_M", 105), ("Q8_0", 144), ("F16", 270))
        }
        hub.add(REPOSITORY, files, tags=["gguf"], downloads=51_234, likes=87)
        daemon = DaemonProcess(home / "d", {"HF_ENDPOINT": hub.endpoint})
        (daemon.models / "smollm2").mkdir()
        (daemon.models / "smollm2" / MODEL.name).symlink_to(MODEL)
        (daemon.models / "smollm2" / MODEL.name).unlink()
        os.link(MODEL, daemon.models / "smollm2" / MODEL.name)
        with daemon:
            environment = {**daemon.environment, "TERM": "xterm-256color", "COLUMNS": str(COLUMNS)}
            for name, commands in PICTURES.items():
                if len(sys.argv) > 1 and name not in sys.argv[1:]:
                    continue
                parts = [
                    f"\x1b[1m$ rkctl {line}\x1b[0m\n{run(line, keys, environment)}"
                    for line, keys in commands
                ]
                draw(name, "\n\n".join(parts).replace(folder, "/home/you"))


if __name__ == "__main__":
    main()
