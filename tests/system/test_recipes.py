"""The commands of docs/operations.md, typed as they stand there, on the default installation."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.system.machine import ROOT, Machine

UNTIL_S = 60.0
PAGE = "docs/operations.md"
BLOCK = re.compile(r"^```sh\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def sections(page: Path) -> dict[str, list[str]]:
    """Return the commands below each heading that has any."""
    parts = re.split(r"^#+ (.*)$", page.read_text(encoding="utf-8"), flags=re.MULTILINE)
    found = {
        heading: [line for block in BLOCK.findall(text) for line in block.splitlines()]
        for heading, text in zip(parts[1::2], parts[2::2], strict=True)
    }
    return {heading: lines for heading, lines in found.items() if lines}


RECIPES = sections(ROOT / PAGE)


def await_(truth: Callable[[], bool], what: str) -> None:
    """Wait until *truth* holds."""
    end = time.monotonic() + UNTIL_S
    while not truth():
        assert time.monotonic() < end, f"not within {UNTIL_S:.0f} s: {what}"
        time.sleep(0.1)


class Alice:
    """Who installed it with sudo, and types what the page says."""

    def __init__(self, machine: Machine) -> None:
        self._machine = machine
        self._uid = machine.run("id -u alice").stdout.strip()

    def types(self, line: str) -> str:
        """Run one line in her terminal; returns what it printed."""
        if line.startswith("sudo "):
            command = line.removeprefix("sudo ")
            # logind asks for a caller in one of the machine's own control groups
            inside = "systemd-run --quiet --pipe --wait " if command.startswith("loginctl") else ""
            as_root = f"export USER=alice SUDO_USER=alice; {inside}{command}"
            done = self._machine.run(as_root, timeout_s=400)
        else:
            hers = f"export USER=alice XDG_RUNTIME_DIR=/run/user/{self._uid}; {line}"
            done = self._machine.run(hers, user="alice")
        if "enable-linger" in line:  # in a real session her manager runs already
            manager = f"test -S /run/user/{self._uid}/systemd/private"
            await_(lambda: self._machine.run(manager, check=False).returncode == 0, "her manager")
        return done.stdout

    def follows(self, heading: str) -> str:
        """Type every line of the recipe; returns what the last printed."""
        printed = [self.types(line) for line in RECIPES[heading]]
        return printed[-1]


@pytest.fixture(scope="module")
def alice(machine: Machine) -> Alice:
    """She has called `sudo ./install.sh` and nothing else; a model is in her folder."""
    machine.run("SUDO_USER=alice sh /src/install.sh --yes --wheelhouse /wheels/good", timeout_s=400)
    there = "/home/alice/RKLLAMA/models/tiny"
    machine.run(
        f"mkdir {there} && cp /weights/tiny.gguf {there} && "
        f"cp /weights/Modelfile.tiny {there}/Modelfile",
        user="alice",
    )
    return Alice(machine)


def test_every_recipe_of_the_page_is_followed_here() -> None:
    """A new one needs its test below."""
    assert set(RECIPES) == {
        "On demand",
        "As a user's own service",
        "The TLS key as a credential",
    }


def test_the_key_as_a_credential(machine: Machine, alice: Alice) -> None:
    """Root's alone on disk, and TLS works with the copy systemd hands over."""
    machine.run("rkctl cert init --host board && echo '127.0.0.1 board' >> /etc/hosts")
    machine.run("cp /etc/rkd/rkd.toml /tmp/kept")
    machine.run("echo 'tls_cert = \"/etc/rkd/tls/server.crt\"' >> /etc/rkd/rkd.toml")
    alice.follows("The TLS key as a credential")
    answer = "rkctl --endpoint https://board:7588 --ca /etc/rkd/tls/ca.crt list"
    listed = machine.run(answer).stdout
    key = machine.run("stat -c '%U %a' /etc/rkd/tls/server.key").stdout
    machine.run("rm /etc/systemd/system/rkd.service.d/credentials.conf")
    machine.run("cp /tmp/kept /etc/rkd/rkd.toml && systemctl daemon-reload")
    machine.run("systemctl restart rkd")

    assert "tiny" in listed
    assert key == "root 600\n"


def test_on_demand(machine: Machine, alice: Alice) -> None:
    """The first call starts it, silence stops it, the next call starts it again."""
    machine.run(
        "mkdir -p /run/systemd/system/rkd-proxy.service.d && printf '[Service]\\nExecStart=\\n"
        "ExecStart=/lib/systemd/systemd-socket-proxyd --exit-idle-time=2 /run/rkd/rkd.sock\\n' "
        "> /run/systemd/system/rkd-proxy.service.d/quick.conf"
    )
    listed = alice.follows("On demand")
    assert "tiny" in listed
    await_(lambda: machine.property("ActiveState") == "inactive", "stopped when idle")
    again = alice.types(RECIPES["On demand"][-1])
    machine.run("systemctl disable --now rkd-proxy.socket")
    machine.run("rm /etc/systemd/system/rkd.service.d/on-demand.conf && systemctl daemon-reload")

    assert "tiny" in again


def test_as_a_users_own_service(machine: Machine, alice: Alice) -> None:
    """With her own configuration, state and models, and without anybody logged in."""
    alice.follows("As a user's own service")
    status = alice.types("rkctl status --json")
    unit = alice.types("systemctl --user show -P ActiveState rkd").strip()

    assert unit == "active"
    assert "/home/alice/RKLLAMA/models" in status
    assert machine.run("cat /home/alice/.config/rkd/rkd.toml").stdout == ""
    assert machine.property("ActiveState") == "inactive"
    assert alice.types("rkctl run tiny hi --max-tokens 4")


def test_the_users_service_goes_by_her_configuration(alice: Alice) -> None:
    """What she writes into her file is in force after a reload."""
    alice.types("echo 'keep_alive = \"77s\"' > ~/.config/rkd/rkd.toml")
    alice.types("systemctl --user reload rkd")

    assert alice.types("systemctl --user show -P ActiveState rkd").strip() == "active"
