"""Models on a stick or a share, read-only, and two daemons on one folder: real daemons."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest

from rkd.v1 import models_pb2
from rkd.v1 import types_pb2 as types
from tests.hub.server import LocalHub
from tests.integration.daemon_process import DaemonProcess, reason_of, wait_for
from tests.integration.test_library_daemon import answers, rkctl, states
from tests.native import poorfs
from tests.unit.library.folders import entries

REPOSITORY = "org/tiny-GGUF"


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The library that is preloaded."""
    return poorfs.build(tmp_path_factory.mktemp("poorfs"))


@pytest.fixture
def hub(tiny_gguf: Path) -> Iterator[LocalHub]:
    """A hub with one model, whose two files are the same bytes."""
    with LocalHub() as made:
        files = {"tiny-Q8_0.gguf": tiny_gguf.read_bytes(), "tokenizer.json": b"{}"}
        made.add(REPOSITORY, files, tags=["gguf"])
        yield made


def daemon_on(folder: Path, library: Path, settings: dict[str, str], **more: str) -> DaemonProcess:
    """A daemon whose models folder is poor."""
    switches = {f"POORFS_{name.upper()}": value for name, value in more.items()}
    return DaemonProcess(
        folder, settings | poorfs.environment(library, folder / "models", **switches)
    )


@pytest.mark.parametrize("locks", ["with locks", "without locks"])
def test_everything_works_without_links_modes_and_times(
    locks: str, tmp_path: Path, library: Path, hub: LocalHub, tiny_gguf: Path
) -> None:
    """Migrate, copy, create from a file and from a name, pull; said once, nothing left behind."""
    more = {"no_locks": "1"} if locks == "without locks" else {}
    daemon = daemon_on(tmp_path, library, {"HF_ENDPOINT": hub.endpoint}, **more)
    (daemon.models / "flat.gguf").write_bytes(tiny_gguf.read_bytes())
    (tmp_path / "Modelfile").write_text(f"FROM {tiny_gguf}\nSYSTEM one\n")
    (tmp_path / "Child").write_text("FROM one\nSYSTEM two\n")
    with daemon:
        for words in (
            ("cp", "flat", "copied"),
            ("create", "one", "-f", str(tmp_path / "Modelfile")),
            ("create", "two", "-f", str(tmp_path / "Child")),
            ("pull", REPOSITORY, "--name", "pulled"),
            ("cp", "one", "copied", "--replace"),
            ("show", "copied", "--verify"),
            ("rm", "flat"),
        ):
            done = rkctl(daemon, *words)
            assert done.returncode == 0, (words, done.stdout, done.stderr)
        listed = states(daemon)
        assert set(listed) == {"copied", "one", "two", "pulled"}
        assert set(listed.values()) == {types.MODEL_STATE_READY}
        assert answers(daemon, "two")
    log = daemon.log.read_text()

    assert log.count("do not share their weights") == 1
    assert ("library.no_lock" in log) == (locks == "without locks")
    for name in ("copied", "one", "two", "pulled"):
        (weights,) = (daemon.models / name).glob("*.gguf")
        assert weights.read_bytes() == tiny_gguf.read_bytes()
        assert weights.stat().st_nlink == 1
    hidden = {path.name for path in daemon.models.iterdir() if path.name.startswith(".")}
    assert hidden <= {".rkd-blobs"}


def test_a_read_only_folder_serves_and_changes_are_refused(
    tmp_path: Path, library: Path, hub: LocalHub, tiny_gguf: Path
) -> None:
    """It answers; every change is MODELS_READ_ONLY with a way out, nothing is INTERNAL."""
    daemon = daemon_on(tmp_path, library, {"HF_ENDPOINT": hub.endpoint}, read_only="1")
    folder = daemon.models / "tiny"
    folder.mkdir()
    (folder / "tiny.gguf").write_bytes(tiny_gguf.read_bytes())
    (daemon.models / "flat.gguf").write_bytes(tiny_gguf.read_bytes())
    left = daemon.models / ".rkd-stage-left"
    left.mkdir()
    (left / "x").write_text("of a daemon before")
    (tmp_path / "Modelfile").write_text(f"FROM {tiny_gguf}\n")
    with daemon:
        assert states(daemon) == {"tiny": types.MODEL_STATE_READY}
        assert answers(daemon, "tiny")
        assert rkctl(daemon, "show", "tiny", "--verify").returncode == 0
        assert "read-only" in rkctl(daemon, "migrate").stderr
        for words in (
            ("cp", "tiny", "other"),
            ("rm", "tiny"),
            ("create", "new", "-f", str(tmp_path / "Modelfile")),
            ("pull", REPOSITORY, "--name", "pulled"),
        ):
            done = rkctl(daemon, *words)
            assert done.returncode == 1, (words, done.stdout)
            assert "[MODELS_READ_ONLY]" in done.stderr, (words, done.stderr)
        assert states(daemon) == {"tiny": types.MODEL_STATE_READY}
    assert "INTERNAL" not in daemon.log.read_text()
    assert entries(daemon.models) == [".rkd-stage-left", "flat.gguf", "tiny"]


def test_two_daemons_on_one_folder_do_not_meet(tmp_path: Path, tiny_gguf: Path) -> None:
    """The second serves what is there, says who changes it, and takes over when he is gone."""
    first = DaemonProcess(tmp_path / "a")
    folder = first.models / "tiny"
    folder.mkdir()
    (folder / "tiny.gguf").write_bytes(tiny_gguf.read_bytes())
    second = DaemonProcess(tmp_path / "b", {"RKD_MODELS": str(first.models)})
    with first:
        stage = first.models / ".rkd-stage-of-the-first"
        stage.mkdir()
        with second:
            assert states(second) == {"tiny": types.MODEL_STATE_READY}
            assert answers(second, "tiny")
            request = models_pb2.CopyRequest(source="tiny", destination="other")
            with second.stubs() as stubs, pytest.raises(grpc.RpcError) as caught:
                stubs.models.Copy(request, timeout=10)
            reason, metadata = reason_of(caught.value)
            assert reason == "MODELS_READ_ONLY"
            assert "another rkd" in metadata["why"]
            assert stage.is_dir()
            assert rkctl(first, "cp", "tiny", "other").returncode == 0
            wait_for(lambda: "other" in states(second), "the second to see it")
            first.stop()
            assert rkctl(second, "cp", "tiny", "mine").returncode == 0
            assert set(states(second)) == {"tiny", "other", "mine"}
    assert "library.held" in second.log.read_text()
