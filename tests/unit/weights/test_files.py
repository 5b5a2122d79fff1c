"""Shards, .rkllm files, and what models cost."""

from __future__ import annotations

from pathlib import Path

import pytest

from rkd.errors import InvalidInputError
from rkd.model import Details
from rkd.weights import details, rkllm, shards
from tests.unit.weights.gguf_bytes import LLAMA, TENSORS, Value, build

MAGIC = bytes.fromhex("daeeb336")
SMOL = Details(layers=30, heads=9, kv_heads=3, head_size=64, embedding_size=576)


def write_shards(folder: Path, count: int = 2, **lies: Value) -> Path:
    """Write a split model; *lies* change the second part's metadata."""
    first = {**LLAMA, "split.no": 0, "split.count": count, "split.tensors.count": 4}
    path = folder / f"m-00001-of-{count:05}.gguf"
    path.write_bytes(build(first))
    second: dict[str, Value] = {"split.no": 1, "split.count": count, **lies}
    rows = (("blk.2.attn_q.weight", (64, 64), 0, 0),)
    (folder / f"m-00002-of-{count:05}.gguf").write_bytes(
        build(second, rows, data_bytes=64 * 64 * 4)
    )
    return path


def test_shard_names() -> None:
    """A shard knows its brothers; other names are no shards."""
    shard = shards.parse("dir/m-00002-of-00003.gguf")

    assert shard is not None
    assert (shard.number, shard.count) == (2, 3)
    assert shard.names[0] == "dir/m-00001-of-00003.gguf"
    assert shards.parse("m.gguf") is None
    assert shards.parse("m-00004-of-00003.gguf") is None


def test_shards_are_one_model(tmp_path: Path) -> None:
    """Weights of all parts are counted."""
    told = details.inspect(write_shards(tmp_path))

    assert told.parameters == 64 * 32 + 3 * 64 * 64


def test_a_missing_shard_is_named(tmp_path: Path) -> None:
    """A part that is not there is named."""
    path = write_shards(tmp_path)
    (tmp_path / "m-00002-of-00002.gguf").unlink()
    with pytest.raises(InvalidInputError, match=r"m-00002-of-00002\.gguf is missing"):
        details.inspect(path)


def test_a_foreign_shard_is_named(tmp_path: Path) -> None:
    """A part that says it is another one is refused."""
    with pytest.raises(InvalidInputError, match="it is not part 2 of 2"):
        details.inspect(write_shards(tmp_path, **{"split.no": 7}))


def test_tensors_have_to_add_up(tmp_path: Path) -> None:
    """Parts that hold fewer tensors than the first one promises are refused."""
    path = write_shards(tmp_path)
    path.write_bytes(
        build({**LLAMA, "split.no": 0, "split.count": 2, "split.tensors.count": 9}, TENSORS)
    )
    with pytest.raises(InvalidInputError, match="4 tensors of 9"):
        details.inspect(path)


def test_not_the_first_shard(tmp_path: Path) -> None:
    """A later part is no model; the first is named."""
    path = write_shards(tmp_path)
    with pytest.raises(InvalidInputError) as caught:
        details.inspect(path.with_name("m-00002-of-00002.gguf"))

    assert "m-00001-of-00002.gguf" in caught.value.remedy


def test_a_shard_under_another_name(tmp_path: Path) -> None:
    """A first part that is not called so cannot find its brothers, and says so."""
    path = write_shards(tmp_path)
    with pytest.raises(InvalidInputError, match="its name does not say so"):
        details.inspect(path.rename(tmp_path / "m.gguf"))


def test_rkllm_is_told_by_head_tail_and_name(tmp_path: Path) -> None:
    """Toolkit version, platform, size, quantization and context are found."""
    path = tmp_path / "Qwen2.5-1.5B-Instruct-w8a8_g128-ctx4096-rk3588.rkllm"
    path.write_bytes(MAGIC + bytes(2_000_000) + b"rkllm-toolkit version: 1.3.1\n")
    facts = rkllm.look(path)

    assert (facts.problem, facts.warnings) == ("", ())
    assert (facts.toolkit, facts.platform) == ("1.3.1", "rk3588")
    assert facts.details == Details(
        parameters=1_500_000_000, quantization="w8a8_g128", context_tokens=4096
    )


@pytest.mark.parametrize("first", [b"", b"\x01\x02\x03\x04", b"hello"])
def test_unknown_rkllm_is_warned_of(first: bytes) -> None:
    """A magic nobody knows and a size too small are warnings, never problems."""
    facts = rkllm.judge("x.rkllm", 4, first, first)

    assert facts.problem == ""
    assert len(facts.warnings) == 2


@pytest.mark.parametrize(
    ("first", "words"),
    [
        (b"GGUF\x03\x00\x00\x00", "is a GGUF"),
        (b"RKNN", ".rknn"),
        (b"version https://git-lfs.github.com/spec/v1", "git-lfs"),
        (b"<html>", "a web page"),
    ],
)
def test_plain_mistakes_are_problems(first: bytes, words: str) -> None:
    """What is plainly something else is named, with the way out."""
    facts = rkllm.judge("x.rkllm", 10, first, first)

    assert words in facts.problem
    assert facts.remedy
