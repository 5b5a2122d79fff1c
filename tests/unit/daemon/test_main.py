"""The command: what it prints, what it returns, and whom it refuses to run beside."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import tomllib
from pathlib import Path

import pytest

import rkd
from rkd.daemon.life import write_ready
from rkd.daemon.main import EXIT_CONFIG, AnotherDaemonError, _locked, main


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An environment of this test's own."""
    for name in [one for one in os.environ if one.startswith(("RKD_", "HF_", "XDG_"))]:
        monkeypatch.delenv(name)
    (tmp_path / "rkd.toml").touch()
    monkeypatch.setenv("RKD_CONFIG", str(tmp_path / "rkd.toml"))
    monkeypatch.setenv("RKD_STATE_DIR", str(tmp_path / "state"))
    monkeypatch.setenv("RKD_LISTEN", f"unix:{tmp_path}/s")
    return tmp_path


def test_check_config_prints_what_is_in_force(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """As TOML, with exit code 0; nothing is made on disk."""
    monkeypatch.setenv("RKD_PARALLEL", "3")
    code = main(["--check-config"])
    printed = tomllib.loads(capsys.readouterr().out)

    assert (code, printed["parallel"], printed["state_dir"]) == (0, 3, f"{folder}/state")
    assert not (folder / "state").exists()


def test_a_wrong_configuration_is_78_with_every_problem(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """On stderr, in one line; checked or started alike."""
    monkeypatch.setenv("RKD_PARALLEL", "0")
    monkeypatch.setenv("RKD_BACKEND", "gpu")
    codes = [main(["--check-config"]), main([])]
    out, err = capsys.readouterr()

    assert (codes, out) == ([EXIT_CONFIG, EXIT_CONFIG], "")
    assert EXIT_CONFIG == 78
    for line in err.splitlines():
        assert line.startswith("rkd cannot start: ")
        assert "RKD_PARALLEL" in line
        assert "RKD_BACKEND" in line
        assert ". Correct it" in line


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    """One line."""
    with pytest.raises(SystemExit) as left:
        main(["--version"])

    assert (left.value.code, capsys.readouterr().out) == (0, f"rkd {rkd.__version__}\n")


def test_a_second_daemon_is_refused_by_the_firsts_pid(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """And the state directory is free again afterwards."""
    with _locked(folder / "state"):
        assert main([]) == EXIT_CONFIG
    with _locked(folder / "state"), pytest.raises(AnotherDaemonError), _locked(folder / "state"):
        pass

    assert f"another rkd (pid {os.getpid()}) runs on" in capsys.readouterr().err


def test_a_state_directory_without_locks_is_78(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """NFS without its lock daemon: the models may lie there, the state may not."""

    def refuse(*_args: object) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", refuse)

    assert main([]) == EXIT_CONFIG
    said = capsys.readouterr().err
    assert "No locks available" in said
    assert "RKD_STATE_DIR" in said


def test_a_state_directory_that_cannot_be_made_is_78(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Named, with the system's words."""
    (folder / "file").touch()
    monkeypatch.setenv("RKD_STATE_DIR", f"{folder}/file/state")

    assert main([]) == EXIT_CONFIG
    assert f"{folder}/file" in capsys.readouterr().err


def test_the_ready_file_is_whole(folder: Path) -> None:
    """Addresses and pid; no draft stays."""
    write_ready(folder / "ready", ["unix:/s"])

    assert json.loads((folder / "ready").read_text()) == {
        "addresses": ["unix:/s"], "pid": os.getpid()
    }  # fmt: skip
    assert sorted(one.name for one in folder.iterdir()) == ["ready", "rkd.toml"]


def test_check_config_of_root_is_what_the_service_would_use(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """With the file systemd reads for it; what this shell sets goes first and is named."""
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    (folder / "rkd.env").write_text(
        "# engine\nRKD_LLAMA_SERVER='/opt/my engine/llama-server'\n"
        "RKD_PARALLEL=3\nRKD_MAX_QUEUE=9\n"
    )
    monkeypatch.setenv("RKD_MAX_QUEUE", "7")
    code = main(["--check-config"])
    out = capsys.readouterr().out
    printed = tomllib.loads(out)

    assert (code, printed["parallel"], printed["max_queue"]) == (0, 3, 7)
    assert printed["llama_server"] == "/opt/my engine/llama-server"
    assert "RKD_MAX_QUEUE" in out


def test_check_config_of_a_user_is_his_own(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The service's file is none of his daemon's."""
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    (folder / "rkd.env").write_text("RKD_PARALLEL=3\n")
    main(["--check-config"])

    assert tomllib.loads(capsys.readouterr().out)["parallel"] == 1
