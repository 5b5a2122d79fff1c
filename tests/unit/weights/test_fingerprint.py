"""What tells one .rkllm from another: its content, read in pieces."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from rkd.library.header import marked
from rkd.librkllmrt import age_of
from rkd.model import Format, WeightsFile
from rkd.weights import rkllm

MAGIC = bytes.fromhex("daeeb336")
SIZE = 3 << 20


def write(path: Path, content: bytes, toolkit: str = "1.2.3") -> Path:
    """Write weights of that toolkit."""
    path.write_bytes(MAGIC + content + f"rkllm-toolkit version: {toolkit}".encode())
    return path


def test_the_same_bytes_under_any_name(tmp_path: Path) -> None:
    """A copy is the same, a conversion of the same size is not, nor is another toolkit's."""
    content = os.urandom(SIZE)
    first = rkllm.look(write(tmp_path / "a.rkllm", content))
    copy = rkllm.look(write(tmp_path / "b.rkllm", content))
    other = rkllm.look(write(tmp_path / "c.rkllm", os.urandom(SIZE)))
    later = rkllm.look(write(tmp_path / "d.rkllm", content, "1.3.0"))

    assert first.fingerprint == copy.fingerprint
    assert len({one.fingerprint for one in (first, other, later)}) == 3
    assert (first.toolkit, later.toolkit) == ("1.2.3", "1.3.0")


@pytest.mark.parametrize("size", [0, 1, 4095, 4096, 4097, 50_000])
def test_small_files_are_read_whole(tmp_path: Path, size: int) -> None:
    """One byte more or other anywhere is another file."""
    content = bytes(size)
    first = rkllm.look(write(tmp_path / "a.rkllm", content)).fingerprint
    assert first != rkllm.look(write(tmp_path / "b.rkllm", content + b"\0")).fingerprint
    if size:
        changed = content[: size // 2] + b"\1" + content[size // 2 + 1 :]
        assert first != rkllm.look(write(tmp_path / "c.rkllm", changed)).fingerprint


def test_weights_are_marked_where_they_can_be_read(tmp_path: Path) -> None:
    """NPU weights alone; a file that is gone stays as it is."""
    path = write(tmp_path / "a.rkllm", b"")
    npu = WeightsFile(path, Format.RKLLM, path.stat().st_size, 0)
    gone = WeightsFile(tmp_path / "gone.rkllm", Format.RKLLM, 1, 0)
    cpu = WeightsFile(path.with_suffix(".gguf"), Format.GGUF, 1, 0)

    found = marked((npu, gone, cpu))

    assert found[0].toolkit == "1.2.3"
    assert found[0].fingerprint
    assert found[1:] == (gone, cpu)


def test_versions_are_ordered_as_they_were_released() -> None:
    """A beta before its release; what is no version before everything."""
    released = ["1.0.0b", "1.1.0", "1.1.4", "1.2.0", "1.2.1b1", "1.2.1", "1.2.10", "1.3.0", "2.0"]

    assert sorted(released, key=age_of) == released
    assert age_of("v1.2.3") == age_of("1.2.3")
    assert age_of("") == age_of("unknown") == age_of("1.x") == ()
