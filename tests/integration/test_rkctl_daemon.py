"""rkctl against a real daemon, as a user runs it: processes, files, signals."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

from tests.integration.daemon_process import DaemonProcess

BOUND_S = 60
LONG = ("--max-tokens", "100000", "--n", "16", "--ignore-eos")
"""As long as the model can: sixteen times its context."""


def start(daemon: DaemonProcess, *arguments: str) -> subprocess.Popen[str]:
    """Start rkctl."""
    return subprocess.Popen(
        [sys.executable, "-m", "rkctl", *arguments],
        env=daemon.environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def rkctl(daemon: DaemonProcess, *arguments: str, stdin: str = "") -> tuple[int, str, str]:
    """Run rkctl; return exit code, stdout and stderr."""
    with start(daemon, *arguments) as child:
        out, err = child.communicate(stdin, timeout=BOUND_S)
    return child.returncode, out, err


def test_a_model_is_made_asked_copied_and_removed(daemon: DaemonProcess, tmp_path: Path) -> None:
    """Create from a file of this machine, run, show, cp, rm."""
    work = tmp_path / "work"
    work.mkdir()
    os.link(daemon.models / "tiny" / "tiny.gguf", work / "w.gguf")
    (work / "Modelfile").write_text("FROM ./w.gguf\nSYSTEM Be a pirate.\nPARAMETER seed 3\n")

    assert rkctl(daemon, "create", "pirate", "-f", str(work / "Modelfile"))[:2] == (0, "pirate\n")
    code, out, err = rkctl(daemon, "run", "pirate", "--max-tokens", "4", stdin="hello\n")
    assert (code, err) == (0, "")
    assert out.endswith("\n")
    assert rkctl(daemon, "show", "pirate", "--system")[1] == "Be a pirate.\n"
    code, out, _ = rkctl(daemon, "show", "pirate", "--verify", "--json")
    assert json.loads(out)["verified"] is True
    assert rkctl(daemon, "cp", "pirate", "again")[:2] == (0, "again\n")
    code, out, _ = rkctl(daemon, "ls", "--json")
    assert [one["name"] for one in json.loads(out)["models"]] == ["again", "pirate", "tiny"]
    assert rkctl(daemon, "stop", "pirate")[0] == 0
    assert rkctl(daemon, "rm", "pirate", "again")[0] == 0
    assert rkctl(daemon, "show", "pirate")[0] == 3


def test_the_events_of_a_run_are_those_of_the_contract(daemon: DaemonProcess) -> None:
    """Accepted first, finished last, numbered without a gap."""
    code, out, err = rkctl(daemon, "run", "tiny", "x", "--json", "--max-tokens", "5")
    events = [json.loads(line) for line in out.splitlines()]

    assert (code, err) == (0, "")
    assert "accepted" in events[0]
    assert "finished" in events[-1]
    assert [event["sequence"] for event in events] == list(range(len(events)))


def test_ctrl_c_frees_the_slot(daemon: DaemonProcess) -> None:
    """The next request is served at once and `ps` shows no slot in use."""
    with start(daemon, "run", "tiny", "go on", *LONG, "--json") as child:
        assert child.stdout is not None
        while '"delta"' not in child.stdout.readline():
            pass
        child.send_signal(signal.SIGINT)
        child.communicate(timeout=BOUND_S)

    assert child.returncode == 130
    assert rkctl(daemon, "run", "tiny", "x", "--max-tokens", "2")[0] == 0
    (resident,) = json.loads(rkctl(daemon, "ps", "--json")[1])["residents"]
    assert resident["slots_used"] == 0


def test_errors_of_the_daemon_are_one_line_with_reason(daemon: DaemonProcess) -> None:
    """And what to do; the exit code says of what kind."""
    code, out, err = rkctl(daemon, "run", "nope", "x")
    first, *rest = err.splitlines()

    assert (code, out) == (3, "")
    assert first.startswith("rkctl: ")
    assert first.endswith(" [MODEL_NOT_FOUND]")
    assert "rkctl pull" in " ".join(rest)
    code, _, err = rkctl(daemon, "run", "tiny", "x", "--temperature", "9")
    assert (code, err.splitlines()[0][-15:]) == (1, "[INVALID_FIELD]")


def test_texts_and_tokens_and_vectors(daemon: DaemonProcess) -> None:
    """There and back; one vector a text."""
    _, ids, _ = rkctl(daemon, "tokenize", "tiny", "hé")

    assert rkctl(daemon, "detokenize", "tiny", *ids.split())[1] == "hé\n"
    code, out, _ = rkctl(daemon, "embed", "tiny", "a", "b")
    assert code == 0
    assert len({len(json.loads(line)) for line in out.splitlines()}) == 1


def test_a_watch_sees_a_model_come(daemon: DaemonProcess) -> None:
    """`watch --json` prints the change while it waits for more."""
    with start(daemon, "watch", "--json", "--since", "1", "--topic", "model") as child:
        assert rkctl(daemon, "cp", "tiny", "twin")[0] == 0
        assert child.stdout is not None
        while json.loads(child.stdout.readline())["subject"] != "twin":
            pass
        child.send_signal(signal.SIGINT)
        _, err = child.communicate(timeout=BOUND_S)

    assert (child.returncode, err) == (130, "")


def test_a_daemon_that_is_not_there(daemon: DaemonProcess, tmp_path: Path) -> None:
    """Exit 4 and the command that starts it."""
    nowhere = str(tmp_path / "nowhere")
    code, out, err = rkctl(daemon, "list", "--endpoint", nowhere)

    assert (code, out) == (4, "")
    assert err.splitlines()[0].endswith("[UNAVAILABLE]")
    assert "systemctl start rkd" in err
