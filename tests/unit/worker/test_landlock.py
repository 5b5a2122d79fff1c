"""A confined process changes nothing outside its own folder and connects to nobody."""

from __future__ import annotations

import socket
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from rkd.worker import landlock

ROOT = Path(__file__).parents[3]
NET_ABI, SCOPE_ABI = 4, 6

has_landlock = pytest.mark.skipif(landlock.abi() == 0, reason="this kernel has no Landlock")
has_net = pytest.mark.skipif(landlock.abi() < NET_ABI, reason="Landlock without networks")
has_scope = pytest.mark.skipif(landlock.abi() < SCOPE_ABI, reason="Landlock without scopes")


def confined(code: str, own: Path, *files: Path) -> str:
    """What *code* prints in a process of its own, confined to *own* and *files*."""
    program = f"""
import os, socket, sys
from pathlib import Path
from rkd.worker import landlock
own, *files = map(Path, sys.argv[1:])
assert landlock.confine(own, files)
def tried(act):
    try:
        act()
    except OSError as error:
        return type(error).__name__
    return "done"
{textwrap.dedent(code)}
"""
    command = [sys.executable, "-c", program, str(own), *map(str, files)]
    made = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    return made.stdout.strip()


@pytest.fixture
def own(tmp_path: Path) -> Path:
    """A folder of the process's own, beside a file that is not."""
    (tmp_path / "other").write_text("as it was")
    folder = tmp_path / "own"
    folder.mkdir()
    return folder


@has_landlock
def test_only_its_own_folder_changes(own: Path) -> None:
    """Write, make, remove, rename, link: inside yes, outside no; a file named may be written."""
    lease = own.parent / "lease"
    lease.touch()
    said = confined(
        """
        outside = own.parent
        print(tried(lambda: (own / "a").write_text("x")), tried(lambda: (own / "d").mkdir()))
        sock = socket.socket(socket.AF_UNIX)
        print(tried(lambda: sock.bind(str(own / "s"))), tried(lambda: files[0].open("a")))
        print(tried(lambda: (outside / "other").open("w")))
        new = outside / "new"
        print(tried(lambda: new.write_text("x")), tried(lambda: new.mkdir()))
        print(tried(lambda: (outside / "other").unlink()))
        print(tried(lambda: (own / "a").rename(outside / "b")))
        print(tried(lambda: os.link(outside / "other", own / "linked")))
        print((outside / "other").read_text())
        Path("/dev/null").write_text("x")
        """,
        own,
        lease,
    )

    allowed, denied = "done done\ndone done\n", "PermissionError"
    assert said.startswith(f"{allowed}{denied}\n{denied} {denied}\n{denied}\n")
    assert said.endswith("\nas it was")
    assert "done" not in said[len(allowed) :]


@has_net
def test_no_tcp(own: Path) -> None:
    """Neither out nor in; its own unix socket still works."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        said = confined(
            f"""
            address = ("127.0.0.1", {server.getsockname()[1]})
            print(tried(lambda: socket.create_connection(address)))
            print(tried(lambda: socket.create_server(("127.0.0.1", 0))))
            """,
            own,
        )

    assert said.split() == ["PermissionError", "PermissionError"]


@has_scope
def test_no_signal_out(own: Path) -> None:
    """The daemon cannot be signalled, a child of its own can."""
    said = confined(
        """
        import signal, subprocess
        print(tried(lambda: os.kill(os.getppid(), 0)))
        child = subprocess.Popen(["/bin/sleep", "60"])
        print(tried(lambda: child.send_signal(signal.SIGKILL)), child.wait())
        """,
        own,
    )

    assert said.split() == ["PermissionError", "done", "-9"]


@has_landlock
def test_children_are_confined_too(own: Path) -> None:
    """A native engine is no way out."""
    said = confined(
        """
        import subprocess
        made = subprocess.run(["/bin/sh", "-c", "echo x > ../other"], cwd=own, stderr=-3)
        print(made.returncode != 0, (own.parent / "other").read_text())
        """,
        own,
    )

    assert said == "True as it was"


def test_a_kernel_without_it_changes_nothing(monkeypatch: pytest.MonkeyPatch, own: Path) -> None:
    """No error, and the caller is told."""
    monkeypatch.setattr(landlock, "_CREATE_RULESET", 100_000)

    assert landlock.abi() == 0
    assert landlock.confine(own) == 0
    (own.parent / "other").write_text("still mine")
