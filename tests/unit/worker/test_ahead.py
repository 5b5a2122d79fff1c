"""A worker without a model waits for one word, and ends when it cannot come."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from rkd.model import BackendKind
from rkd.wire import codec
from rkd.wire.messages import OWN, BecomeFrame, PingFrame
from rkd.worker import ahead

ROOT = Path(__file__).resolve().parents[3]
BOUND_S = 60


def started(theirs: socket.socket, kind: BackendKind) -> subprocess.Popen[bytes]:
    """A real one."""
    number = theirs.fileno()
    return subprocess.Popen(
        [
            *(sys.executable, "-m", "rkd.worker", "--fd", str(number)),
            *("--parent", str(os.getpid()), "--ahead", kind),
        ],
        pass_fds=(number,),
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )


@pytest.mark.parametrize("said", [b"", codec.pack(PingFrame(OWN)), b"\x02\0\0\0{"])
def test_it_ends_when_the_word_cannot_come(said: bytes) -> None:
    """The daemon is gone, or says what is said to others; without an error."""
    ours, theirs = socket.socketpair()
    with ours, theirs, started(theirs, BackendKind.CPU) as process:
        theirs.close()
        ours.sendall(said)
        ours.close()

        assert process.wait(BOUND_S) == 0


def test_no_byte_behind_the_word_is_taken() -> None:
    """What follows is the loop's to read."""
    ours, theirs = socket.socketpair()
    word = codec.pack(BecomeFrame(OWN, ("--memory-bytes", "5")))
    with ours, theirs:
        slow = threading.Thread(target=lambda: [ours.sendall(word[at : at + 1]) for at in range(
            len(word))] + [ours.sendall(b"more")])  # fmt: skip
        slow.start()

        assert ahead.told(theirs, BackendKind.CPU) == ("--memory-bytes", "5")
        slow.join(BOUND_S)
        assert theirs.recv(100) == b"more"


@pytest.mark.parametrize("kind", list(BackendKind))
def test_what_a_load_would_import_is_there(kind: BackendKind) -> None:
    """And no engine with its OpenMP, which counts cores when it is loaded."""
    code = (
        "import socket, sys\n"
        "from rkd.worker import ahead\n"
        "a, b = socket.socketpair(); a.close()\n"
        f"assert ahead.told(b, {str(kind)!r}) is None\n"
        "print(*sys.modules)\n"
        "print(open('/proc/self/maps').read().count('libgomp'))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
        timeout=BOUND_S,
    )
    modules, openmp = done.stdout.splitlines()

    room = "rkllm" if kind is BackendKind.NPU else "llamacpp"
    assert f"rkd.backend.{room}.backend" in modules.split()
    assert ("tokenizers" in modules.split()) == (kind is BackendKind.NPU)
    assert "xllamacpp" not in modules.split()
    assert openmp == "0"
