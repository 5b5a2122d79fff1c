"""examples/train, typed as its reader types it: trained, served, made smaller, shared, refused."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.guides.pages import blocks, commands
from tests.guides.shell import Shell
from tests.hub.server import LocalHub
from tests.integration.daemon_process import ROOT, DaemonProcess

TORCH = os.environ.get("RKD_TEST_TORCH", "")
PAGE = ROOT / "examples" / "train" / "README.md"
REFUSED = ("rkctl create odd", "rkctl show odd")
"""Commands of the page that are meant to fail."""
TRAINS_S = 300.0

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not TORCH, reason="RKD_TEST_TORCH names no Python with torch: tier oracle"),
]


class Trainer(Shell):
    """A reader's shell: rkd's programs, a python with torch, and the checkout."""

    def __init__(self, home: Path, daemon: DaemonProcess) -> None:
        found = f"{ROOT}{os.pathsep}{ROOT / 'clients'}"
        super().__init__(home, {**daemon.environment, "PYTHONPATH": found})
        self._program(home / "bin" / "python", f'PYTHONPATH= exec {TORCH} "$@"')
        (home / "examples").symlink_to(ROOT / "examples")


# The library's own way to send a file; not ours to change.
@pytest.mark.filterwarnings("ignore:Use 'content=:DeprecationWarning")
@pytest.mark.timeout(900)
def test_the_page_holds(tmp_path: Path) -> None:
    """Each command does what the page says, in its order, in one session."""
    home = tmp_path / "home"
    home.mkdir()
    wrong: list[str] = []
    with LocalHub() as hub:
        told = {"HF_ENDPOINT": hub.endpoint, "HF_TOKEN": "hf_good"}
        with DaemonProcess(tmp_path / "b", told) as daemon, Trainer(home, daemon) as shell:
            page = PAGE.read_text(encoding="utf-8")
            typed = [one for block in blocks(page) if block.runs for one in commands(block)]
            for command in typed:
                code, printed = shell.run(command.line, bound_s=TRAINS_S)
                fails = command.line.startswith(REFUSED)
                if bool(code) is not fails or not command.matches(printed):
                    wrong.append(f"$ {command.line}\nexit {code}\n{printed}")

    assert wrong == [], "\n".join(wrong)
    assert len(typed) > len(REFUSED)
