"""
Four people, each on a booted system, typing what our own pages tell them and nothing else.

The newcomer, who comes from rkllama, who comes from Ollama, and the administrator with another
machine. The Hub is the tests' own, on the board's loopback; packages come from a folder.
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.guides.pages import Command, blocks, commands
from tests.guides.shell import Session
from tests.models import tiny
from tests.native import standin
from tests.system.machine import ROOT, Machine, copy_of_the_source

GUIDES = ROOT / "docs" / "guides"
INSTALL_BOUND_S = 400.0
BOARD_IP, LAPTOP_IP = "10.77.1.1", "10.77.1.2"
HUB = """
import threading
from pathlib import Path
from tests.hub.server import LocalHub
hub = LocalHub()
hub._ports = [8088, 8089]
hub.start()
weights = Path("/weights/tiny.gguf").read_bytes()
files = {"SmolLM2-135M-Instruct-Q4_K_M.gguf": weights}
hub.add("org/SmolLM2-135M-Instruct-GGUF", files, tags=["gguf"])
threading.Event().wait()
"""


class Person(Session):
    """Somebody at a terminal of *machine*; logged in anew, in all groups of theirs."""

    def __init__(self, machine: Machine, name: str = "alice") -> None:
        super().__init__(machine.entering("cd; COLUMNS=100 exec bash --norc --noprofile", name))

    def follow(self, page: str, typed: list[Command], bound_s: float = 120.0) -> None:
        """Type the commands; each does what the page says, or all that did not are told."""
        wrong = []
        for command in typed:
            code, printed = self.run(command.line, bound_s=bound_s)
            if code or not command.matches(printed):
                wrong.append(f"$ {command.line}\nexit {code}\n{printed}")
        assert wrong == [], f"{page}:\n" + "\n".join(wrong)


def typed_in(page: str, *infos: str) -> list[Command]:
    """Return the commands of a guide's blocks of the kinds given."""
    text = (GUIDES / page).read_text(encoding="utf-8")
    return [one for block in blocks(text) if block.info in infos for one in commands(block)]


def furnish(machine: Machine) -> None:
    """Give alice sudo, pip its packages, and the system the one library it lacks."""
    machine.run("echo 'alice ALL=(ALL) NOPASSWD: ALL' > /etc/sudoers.d/alice")
    pip = "[global]\\nno-index = true\\nfind-links = /wheels/good\\n"
    machine.run(f"printf '{pip}' > /etc/pip.conf && echo '127.0.0.1 localhost board' >> /etc/hosts")
    machine.run("dpkg -i /wheels/good/gcc-*-base_*.deb /wheels/good/libgomp1_*.deb")


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What somebody has who cloned rkd."""
    return copy_of_the_source(tmp_path_factory.mktemp("clone") / "rkd", "0.0.1")


@pytest.fixture(scope="module", params=["bookworm", "trixie"])
def board(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    checkout: Path,
    wheels: Path,
) -> Iterator[Machine]:
    """A bare Debian with a checkout, alice, a Hub on loopback and an NPU's runtime."""
    base = tmp_path_factory.mktemp("journey")
    weights = base / "weights"
    weights.mkdir(mode=0o755)
    base.chmod(0o755)
    tiny.write(weights / "tiny.gguf")
    standin.weights(weights / "tiny.rkllm")
    shutil.copy(standin.build("1.3.0"), weights / "librkllmrt.so")
    shared = {"/src": ROOT, "/checkout": checkout, "/wheels": wheels, "/weights": weights}
    with Machine(base / "m", shared, suite=request.param) as machine:
        machine.run("useradd -m -s /bin/bash alice")
        furnish(machine)
        (weights / "hub.py").write_text(HUB)
        machine.run("systemd-run --quiet --unit=hub -E PYTHONPATH=/src python3 /weights/hub.py")
        yield machine


@pytest.fixture(scope="module")
def installed(board: Machine) -> Machine:
    """What `sudo ./install.sh` of the checkout made of it; the Hub and the runtime are named."""
    with Person(board) as alice:
        code, printed = alice.run("cd /checkout", bound_s=5)
        assert code == 0, printed
        install = typed_in("tutorial.md", "console on a board")
        assert [command.line for command in install] == ["sudo ./install.sh"]
        code, printed = alice.run(install[0].line, bound_s=INSTALL_BOUND_S)
        assert code == 0, printed
        assert "log in again" in printed
    variables = "HF_ENDPOINT=http://127.0.0.1:8088\\nRKD_RKLLM_LIBRARY=/weights/librkllmrt.so\\n"
    board.run(f"printf '{variables}' >> /etc/rkd/rkd.env && systemctl restart rkd")
    there = "~/RKLLAMA/models/tiny"
    board.run(f"mkdir -p {there} && cp /weights/tiny.gguf {there}/", user="alice")
    return board


def test_the_newcomer_gets_an_answer(installed: Machine) -> None:
    """From a bare board by the tutorial: state, search, download, answer."""
    with Person(installed) as alice:
        alice.follow("tutorial.md", typed_in("tutorial.md", "console"))


def test_the_newcomer_finds_the_manual_and_the_tab_key(installed: Machine) -> None:
    """`man rkctl`, and what bash offers for a verb half typed."""
    offered = (
        ". /usr/share/bash-completion/bash_completion; "
        "COMP_WORDS=(rkctl sta); COMP_CWORD=1; COMP_LINE='rkctl sta'; COMP_POINT=9; "
        "_completion_loader rkctl || __load_completion rkctl; "
        "complete -p rkctl; _rkctl_completion rkctl; printf '%s\\n' \"${COMPREPLY[@]}\""
    )
    with Person(installed) as alice:
        found = alice.run("man -w rkctl")
        completed = alice.run(offered)

    assert found[0] == 0
    assert found[1].endswith("/share/man/man1/rkctl.1\n")
    assert completed[0] == 0, completed[1]
    assert "status" in completed[1].split()


def test_who_comes_from_rkllama_goes_on(installed: Machine) -> None:
    """The flat layout, a dropped file, an .rkllm without a Modelfile."""
    installed.run("cp /weights/tiny.gguf ~/weights.gguf", user="alice")
    installed.run("cp /weights/tiny.rkllm ~/weights.rkllm", user="alice")
    with Person(installed) as alice:
        alice.follow("from-rkllama.md", typed_in("from-rkllama.md", "console"))


def test_who_comes_from_ollama_finds_the_verbs(installed: Machine) -> None:
    """The same verbs, and a Modelfile of Ollama's."""
    with Person(installed) as alice:
        seen = "until rkctl list | grep -q '^tiny .* ready'; do :; done"
        assert alice.run(f'timeout 30 bash -c "{seen}"')[0] == 0
        alice.follow("from-ollama.md", typed_in("from-ollama.md", "console"))


FROM_OLLAMA = (
    "rkctl --version",
    "rkctl help",
    "rkctl list",
    "rkctl ls",
    "rkctl show tiny",
    "rkctl show tiny -v",
    "rkctl show --modelfile tiny",
    'rkctl run tiny "Summarize this file: $(cat ~/Modelfile)"',
    "rkctl run tiny --verbose hi",
    "rkctl run tiny --think=false hi",
    "rkctl run tiny --hidethinking hi",
    "rkctl run tiny --nowordwrap hi",
    "rkctl cp tiny my-model",
    "rkctl create choose-a-model-name -f ~/Modelfile",
    "rkctl run choose-a-model-name hi",
    "rkctl ps",
    "rkctl stop tiny",
    "rkctl rm my-model choose-a-model-name",
    "rkctl run hf.co/org/SmolLM2-135M-Instruct-GGUF:Q4_K_M hi -y",
)
FROM_RKLLAMA = (
    "rkctl help",
    "rkctl list",
    "rkctl info tiny",
    "rkctl load tiny",
    "rkctl ps",
    "rkctl run tiny hi",
    "rkctl unload tiny",
    "rkctl pull org/SmolLM2-135M-Instruct-GGUF SmolLM2-135M-Instruct-Q4_K_M.gguf",
    "rkctl cp tiny passing",
    "rkctl rm passing",
)
"""The commands of their own documents, with the names of program and model changed."""


@pytest.mark.parametrize("lines", [FROM_OLLAMA, FROM_RKLLAMA], ids=["ollama", "rkllama"])
def test_the_words_of_their_documents_are_understood(
    installed: Machine, lines: tuple[str, ...]
) -> None:
    """Each does what it did there."""
    installed.run("printf 'FROM tiny\\nSYSTEM Be terse.\\n' > ~/Modelfile", user="alice")
    with Person(installed) as alice:
        wrong = [
            f"$ {line}\nexit {code}\n{printed}"
            for line in lines
            for code, printed in [alice.run(line, bound_s=120)]
            if code
        ]

    assert wrong == [], "\n".join(wrong)


def test_the_administrator_opens_it_to_another_machine(
    installed: Machine, checkout: Path, wheels: Path, tmp_path: Path
) -> None:
    """Certificates, tokens and roles on the board; a laptop with the client alone uses it."""
    shared = {"/checkout": checkout, "/wheels": wheels}
    with Machine(tmp_path / "laptop", shared, suite=installed.suite) as laptop:
        connect(installed, laptop)
        laptop.run("useradd -m -s /bin/bash alice")
        furnish(laptop)
        with Person(installed) as admin, Person(laptop) as alice:
            install_client(alice)
            Network(installed, laptop, admin, alice).follow()


def install_client(alice: Session) -> None:
    """Type the README's lines for a laptop."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    (lines,) = (
        block.body.splitlines()
        for block in blocks(text)
        if block.info == "sh" and "bin/pip install ." in block.body
    )
    for line in ("cd /checkout", *lines, "cd; PATH=$HOME/.local/bin:$PATH"):
        code, printed = alice.run(line, bound_s=INSTALL_BOUND_S)
        assert code == 0, f"$ {line}\n{printed}"


def connect(board: Machine, laptop: Machine) -> None:
    """Lay a cable between the two."""
    ends = ((board, "cable0", BOARD_IP), (laptop, "cable1", LAPTOP_IP))
    one, other = (str(machine.leader()) for machine, _, _ in ends)
    cable = f"link add cable0 netns {one} type veth peer name cable1 netns {other}"
    subprocess.run(["ip", *cable.split()], check=True)
    for machine, device, address in ends:
        machine.run(f"ip addr add {address}/24 dev {device} && ip link set {device} up")


class Network:
    """
    The page about the network, half of it typed on the board and half on the laptop.

    Args:
        board, laptop: the machines.
        admin, alice: who types there.
    """

    def __init__(self, board: Machine, laptop: Machine, admin: Person, alice: Person) -> None:
        self._board, self._laptop = board, laptop
        self._admin, self._alice = admin, alice
        self._on_laptop = False

    def follow(self) -> None:
        """Type the page in its order."""
        text = (GUIDES / "network.md").read_text(encoding="utf-8")
        for block in blocks(text.replace("127.0.0.1", BOARD_IP)):
            if block.info == "toml rkd.toml":
                lines = block.body.replace('"', '\\"')
                self._board.run(f'printf "{lines}" > /etc/rkd/rkd.toml')
            for command in commands(block) if block.runs else ():
                self._type(command)

    def _type(self, command: Command) -> None:
        if command.line.startswith("cp /etc/rkd/tls/ca.crt"):
            self._carry_over()
        at_the_board = "sudo" in command.line or not self._on_laptop
        (self._admin if at_the_board else self._alice).follow("network.md", [command])

    def _carry_over(self) -> None:
        """Bring authority and token to the laptop, as people do by hand."""
        authority = self._board.run("cat /etc/rkd/tls/ca.crt").stdout
        self._laptop.run(f"mkdir -p /etc/rkd/tls && echo '{authority}' > /etc/rkd/tls/ca.crt")
        token = self._admin.run("echo $TOKEN")[1].strip()
        self._alice.run(f"TOKEN={token}")
        self._on_laptop = True
