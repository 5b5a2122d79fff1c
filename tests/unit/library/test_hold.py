"""One rkd at a time changes a models folder; the others serve what is there."""

from __future__ import annotations

import errno
import fcntl
import os
from pathlib import Path

import pytest

from rkd.errors import PreconditionError, Reason, RkdError
from rkd.library.hold import Hold
from rkd.library.library import Library
from rkd.library.uploads import UploadPiece, Uploads
from rkd.model import ModelName, ModelState
from tests.unit.library.folders import entries, put

X = ModelName("x")
Y = ModelName("y")


def test_the_second_is_told_who_has_it(tmp_path: Path) -> None:
    """By its process; and gets the folder when the first lets go."""
    first, second = Hold(tmp_path), Hold(tmp_path)

    assert first.take() == ""
    assert first.take() == ""
    assert second.take() in {f"process {os.getpid()}", "another process"}
    first.release()
    assert second.take() == ""
    second.release()
    assert entries(tmp_path) == []


def test_the_kernels_table_names_the_process(tmp_path: Path) -> None:
    """Line by line; another kind of lock, another inode or an odd line is none."""
    first = Hold(tmp_path)
    first.take()
    inode = tmp_path.stat().st_ino
    table = put(
        tmp_path.parent / "locks",
        f"1: POSIX  ADVISORY  WRITE 11 00:2b:{inode} 0 EOF\n"
        f"2: FLOCK  ADVISORY  WRITE 12 00:2b:{inode}1 0 EOF\n"
        f"3: FLOCK  ADVISORY  WRITE 4711 00:2b:{inode} 0 EOF\n",
    )

    assert Hold(tmp_path, locks=table).take() == "process 4711"
    assert Hold(tmp_path, locks=put(table, "garbage\n")).take() == "another process"
    assert Hold(tmp_path, locks=tmp_path / "none").take() == "another process"
    first.release()


def test_without_locks_everybody_goes_on_and_it_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """NFS without its lock daemon."""

    def refuse(*_args: object) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", refuse)
    hold = Hold(tmp_path)

    assert hold.take() == ""
    assert hold.problem == "No locks available"
    hold.release()


async def pieces() -> object:
    """An upload of one byte."""
    yield UploadPiece("sha256:" + "0" * 64, 1, 0, b"x")


async def refusal(library: Library, action: str, stage: Path) -> RkdError:
    """Try to change the folder in one way; return what it is refused with."""
    uploads = Uploads(library.blobs)
    model = library.find(X)
    doing = {
        "stage": lambda: library.stage("one"),
        "commit": lambda: library.commit(stage, Y),
        "copy": lambda: library.copy(X, Y),
        "adopt": lambda: library.adopt(model, "FROM ./x.gguf\n", stage),
        "delete": lambda: library.delete(X),
        "upload": lambda: uploads.receive(pieces()),  # type: ignore[arg-type]
    }
    try:
        with pytest.raises(PreconditionError) as caught:
            await doing[action]()
    finally:
        await uploads.close()
    return caught.value


CHANGES = ("stage", "commit", "copy", "adopt", "delete", "upload")


@pytest.mark.parametrize("action", CHANGES)
async def test_the_second_daemon_serves_and_changes_nothing(tmp_path: Path, action: str) -> None:
    """Each change is MODELS_READ_ONLY and says who; neither staging nor flat files are touched."""
    root = tmp_path / "models"
    put(root / "x" / "x.gguf")
    first = Library(root, publish=lambda _event: None)
    second = Library(root, publish=lambda _event: None)
    await first.start()
    stage = await first.stage("of-the-first")
    put(stage / "y.gguf")
    put(root / "flat.gguf")
    await second.start()
    try:
        assert second.get(X).state is ModelState.READY
        refused = await refusal(second, action, stage)
        assert refused.reason is Reason.MODELS_READ_ONLY
        assert "another rkd (" in refused.message
        assert [left.name for left in second.snapshot.left] == ["flat.gguf"]
        assert entries(root) == [".rkd-stage-of-the-first", "flat.gguf", "x"]
        await first.close()
        mine = await second.stage("mine")  # its turn now
        put(mine / "y.gguf")
        assert (await second.commit(mine, Y)).name == Y
    finally:
        await first.close()
        await second.close()


@pytest.mark.parametrize("action", CHANGES)
async def test_a_read_only_folder_serves(
    tmp_path: Path, action: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Models are listed and usable; each change is MODELS_READ_ONLY, verify reads all the same."""
    root = tmp_path / "models"
    put(root / "x" / "x.gguf")
    put(root / "x" / "Modelfile", "FROM ./x.gguf\n")
    put(root / ".rkd-stage-old" / "x.gguf")
    stage = put(tmp_path / "stage" / "y.gguf").parent
    with monkeypatch.context() as read_only:
        _refuse_writing(read_only)
        library = Library(root, publish=lambda _event: None)
        await library.start()
        try:
            assert library.get(X).state is ModelState.READY
            refused = await refusal(library, action, stage)
            assert (await library.verify(X))[0].holds
            assert (await library.current()).by_key["x"].model.state is ModelState.READY
        finally:
            await library.close()

    assert refused.reason is Reason.MODELS_READ_ONLY
    assert "read-only" in refused.message
    assert refused.remedy


def _refuse_writing(patch: pytest.MonkeyPatch) -> None:
    """Answer every change as a file system mounted read-only does; no mount needs no root."""
    genuine = os.open

    def refuse(*_args: object, **_more: object) -> None:
        raise OSError(errno.EROFS, "Read-only file system")

    def opened(path: str, flags: int, *args: int, **more: int) -> int:
        if flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT):
            raise OSError(errno.EROFS, "Read-only file system")
        return genuine(path, flags, *args, **more)

    for function in ("mkdir", "rename", "replace", "unlink", "rmdir", "link", "chmod", "utime"):
        patch.setattr(os, function, refuse)
    patch.setattr(os, "open", opened)
