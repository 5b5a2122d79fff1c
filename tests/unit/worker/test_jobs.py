"""Jobs: plain strings in, plain strings out, errors of the taxonomy."""

from __future__ import annotations

from pathlib import Path

import pytest

from rkd.errors import ExhaustedError, InvalidInputError, Reason
from rkd.inference import LoadProgress
from rkd.worker import jobs
from tests.unit.backend.convert.checkpoint_bytes import write
from tests.unit.weights.gguf_bytes import build


def quiet(_: LoadProgress) -> None:
    """Progress nobody listens to."""


def test_inspect_tells_details(tmp_path: Path) -> None:
    """A GGUF's details come as strings."""
    path = tmp_path / "m.gguf"
    path.write_bytes(build())
    told = jobs.run("inspect", {"path": str(path)}, quiet)

    assert (told["architecture"], told["layers"], told["has_template"]) == ("llama", "2", "True")
    assert told["size_bytes"] == str(path.stat().st_size)


def test_inspect_tells_of_an_rkllm(tmp_path: Path) -> None:
    """A .rkllm is looked at and never refused."""
    path = tmp_path / "x-w8a8.rkllm"
    path.write_bytes(b"hello")
    told = jobs.run("inspect", {"path": str(path)}, quiet)

    assert (told["quantization"], told["problem"]) == ("w8a8", "")
    assert len(told["warnings"].splitlines()) == 2


def test_an_unknown_job_is_refused() -> None:
    """A kind nobody knows is named."""
    with pytest.raises(InvalidInputError, match="no job 'dance'"):
        jobs.run("dance", {}, quiet)


def test_a_missing_file_is_said(tmp_path: Path) -> None:
    """A file that is not there is the caller's trouble, not a defect."""
    with pytest.raises(InvalidInputError, match="No such file") as caught:
        jobs.run("inspect", {"path": str(tmp_path / "m.gguf")}, quiet)

    assert caught.value.reason is Reason.WEIGHTS_INVALID


def test_a_full_disk_is_said(tmp_path: Path) -> None:
    """ENOSPC becomes DISK_FULL."""
    source = tmp_path / "m.gguf"
    source.write_bytes(build(tensors=(("output.weight", (64, 64), 0, 0),)))
    arguments = {"source": str(source), "target": "/dev/full", "type": "Q8_0"}
    with pytest.raises(ExhaustedError) as caught:
        jobs.run("quantize", arguments, quiet)

    assert caught.value.reason is Reason.DISK_FULL


def test_quantize_tells_progress(tmp_path: Path) -> None:
    """Quantizing writes the target and says how far it is."""
    source, target = tmp_path / "m.gguf", tmp_path / "q.gguf"
    source.write_bytes(build(tensors=(("output.weight", (64, 64), 0, 0),)))
    told: list[LoadProgress] = []
    arguments = {"source": str(source), "target": str(target), "type": "Q8_0", "threads": "1"}
    made = jobs.run("quantize", arguments, told.append)

    assert made == {
        "size_bytes": str(target.stat().st_size),
        "tensors": "1",
        "quantization": "Q8_0",
    }
    assert told[-1] == LoadProgress("quantizing", 1.0)


def test_convert_then_quantize(tmp_path: Path) -> None:
    """A checkpoint folder becomes a GGUF, and that one another; results are strings."""
    folder = write(tmp_path / "m", "qwen2")
    whole, small = tmp_path / "f16.gguf", tmp_path / "q8.gguf"
    made = jobs.run("convert", {"source": str(folder), "target": str(whole), "name": "m"}, quiet)
    arguments = {"source": str(whole), "target": str(small), "type": "Q8_0", "threads": "1"}
    jobs.run("quantize", arguments, quiet)

    assert made["architecture"] == "qwen2"
    assert made["warnings"] == ""
    assert jobs.run("inspect", {"path": str(small)}, quiet)["quantization"] == "Q8_0"
