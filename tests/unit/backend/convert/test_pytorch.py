"""PyTorch checkpoints are read without executing anything; files by torch 2.13's own `save`."""

from __future__ import annotations

import os
import pickle
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from rkd.backend.convert import pickle_table, pytorch
from rkd.backend.convert.tensors import as_float32
from rkd.errors import InvalidInputError, Reason

DATA = Path(__file__).resolve().parents[3] / "data" / "convert"
GRID = np.arange(12, dtype=np.float32).reshape(3, 4) / 4


def values(path: Path) -> dict[str, object]:
    """Every tensor as nested lists of numbers."""
    return {t.name: as_float32(t.raw, t.kind).tolist() for t in pytorch.read(path)}


def table_of(path: Path) -> bytes:
    """The pickle of a checkpoint."""
    with zipfile.ZipFile(path) as archive:
        name = next(n for n in archive.namelist() if n.endswith("data.pkl"))
        return archive.read(name)


def archive(path: Path, pickled: bytes, *, compressed: bool = False) -> Path:
    """A checkpoint of that pickle and one storage of eight numbers."""
    with zipfile.ZipFile(path, "w", 8 if compressed else 0) as made:
        made.writestr("archive/data.pkl", pickled)
        made.writestr("archive/data/0", np.arange(8, dtype=np.float32).tobytes())
    return path


@pytest.mark.parametrize("file", ["tensors.bin", "nested.bin"])
def test_reads_what_torch_saved(file: str) -> None:
    """Views, transposes, bfloat16, halves and parameters come out as their numbers."""
    assert values(DATA / file) == {
        "a.weight": GRID.tolist(),
        "b.weight": GRID.T.tolist(),
        "c.weight": GRID[1:, 2:].tolist(),
        "d.bias": [1.5, -2.0],
        "e.half": [0.25, 3.0],
        "f.param": [7.0],
    }


def test_reads_a_state_dict() -> None:
    """An OrderedDict with attributes of its own is a table like any other."""
    assert set(values(DATA / "module.bin")) == {"weight", "bias"}


@pytest.mark.parametrize(
    ("file", "message"),
    [
        ("whole_module.bin", "torch.nn.modules.linear.Linear, which is code"),
        ("old.bin", "PyTorch 1.6 and later save zip archives"),
        ("int8.bin", "is quantized already (q has CharStorage)"),
    ],
)
def test_other_checkpoints_are_named(file: str, message: str) -> None:
    """Pickled code, files of old PyTorch and integer weights are refused by name."""
    with pytest.raises(InvalidInputError) as caught:
        values(DATA / file)

    assert message in caught.value.message


class Evil:
    """What an attacker would pickle."""

    def __reduce__(self) -> tuple[object, tuple[str]]:
        """Ask the unpickler to run a command."""
        return os.system, ("touch /tmp/should-not-exist-by-rkd",)


@pytest.mark.parametrize("protocol", [0, 1, 2, 3, 4, 5])
def test_code_is_never_run(protocol: int, tmp_path: Path) -> None:
    """A pickle that calls the shell is refused by name, in every protocol."""
    path = archive(tmp_path / "x.bin", pickle.dumps({"a": Evil()}, protocol))
    with pytest.raises(InvalidInputError) as caught:
        values(path)

    assert "system, which is code" in caught.value.message or "opcode" in caught.value.message
    assert not Path("/tmp/should-not-exist-by-rkd").exists()


def pickled(numbers: int, *rebuild: object) -> bytes:
    """The pickle of one tensor `a` over storage 0 with arguments *rebuild*; made by hand."""
    parts = [b"\x80\x02}X\x01\x00\x00\x00actorch._utils\n_rebuild_tensor_v2\n("]
    parts.append(b"(X\x07\x00\x00\x00storagectorch\nFloatStorage\n")
    parts.append(b"X\x01\x00\x00\x000X\x03\x00\x00\x00cpu")
    parts.append(pickle.dumps(numbers, 2)[2:-1] + b"tQ")
    parts += [pickle.dumps(argument, 2)[2:-1] for argument in rebuild]
    parts.append(b"\x89}tRs.")
    return b"".join(parts)


def test_hand_made_pickle_reads(tmp_path: Path) -> None:
    """The builder of the next test makes a good one to begin with."""
    path = archive(tmp_path / "x.bin", pickled(8, 1, (2, 3), (3, 1)))

    assert values(path) == {"a": [[1, 2, 3], [4, 5, 6]]}


@pytest.mark.parametrize(
    ("numbers", "rebuild", "message"),
    [
        (8, (4, (2, 3), (3, 1)), "reaches past its weights"),
        (9, (0, (2,), (1,)), "cut short"),
        (2**40, (0, (2,), (1,)), "past the end of the file"),
        (8, (0, (2, 2), (1,)), "cut short"),
        (8, (0, (-1,), (1,)), "a tensor with an odd shape"),
        (8, (0, ("x",), (1,)), "a tensor with an odd shape"),
        (8, ("x", (1,), (1,)), "a call of torch._utils._rebuild_tensor_v2"),
    ],
)
def test_lying_tables_are_refused(
    numbers: int, rebuild: tuple[object, ...], message: str, tmp_path: Path
) -> None:
    """Shapes, strides and offsets that leave the storage are refused."""
    with pytest.raises(InvalidInputError) as caught:
        values(archive(tmp_path / "x.bin", pickled(numbers, *rebuild)))

    assert message in caught.value.message
    assert caught.value.reason is Reason.WEIGHTS_INVALID


@pytest.mark.parametrize(
    ("pickled_table", "message"),
    [
        (b"", "pickle exhausted before seeing STOP"),
        (b"\x80\x02.", "an operation without its values"),
        (b"\x80\x02K\x01.", "no table of tensors"),
        (b"\x80\x02u.", "a group without a beginning"),
        (b"\x80\x02K\x01(u.", "entries without a table"),
        (b"\x80\x02K\x01K\x02R.", "a call of something unknown"),
        (b"\x80\x02K\x01Q.", "a reference to something that is no storage"),
        (b"\x80\x02K\x01a.", "a damaged pickle"),
        (b"\x80\x02K\x01K\x01a.", "items without a list"),
        (b"\x80\x02h\x07.", "a damaged pickle"),
        (b"\x80\x02}]K\x01s.", "a damaged pickle"),
        (b"\x80\x02I1\n.", "the opcode INT"),
        (b"\x80\x02]K\x01a](K\x01e.", "no table of tensors"),
    ],
)
def test_damaged_pickles_are_refused(pickled_table: bytes, message: str, tmp_path: Path) -> None:
    """Every kind of broken pickle is said to be one."""
    with pytest.raises(InvalidInputError) as caught:
        values(archive(tmp_path / "x.bin", pickled_table))

    assert message in caught.value.message


def test_endless_pickles_are_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    """A pickle of more operations than any checkpoint has is left off."""
    monkeypatch.setattr(pickle_table, "MAX_STEPS", 10)
    with pytest.raises(pickle_table.UnreadableError, match="more than 10 operations"):
        pickle_table.read(b"\x80\x02" + b"K\x01" * 20 + b".")


def test_absurd_tables_are_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A table longer than any checkpoint's is refused unread."""
    monkeypatch.setattr(pytorch, "_MAX_PICKLE_BYTES", 10)
    with pytest.raises(InvalidInputError, match="absurdly long"):
        values(archive(tmp_path / "x.bin", pickled(8, 0, (2,), (1,))))


def test_archives_are_held_to_torchs_form(tmp_path: Path) -> None:
    """Compressed weights, missing tables and cut archives are refused."""
    good = pickled(8, 0, (2,), (1,))
    cases = {
        "compressed": archive(tmp_path / "a.bin", good, compressed=True).read_bytes(),
        "no data.pkl": archive(tmp_path / "b.bin", good).read_bytes().replace(b"pkl", b"xyz"),
        "zip": archive(tmp_path / "c.bin", good).read_bytes()[:-30],
        "are missing": archive(tmp_path / "d.bin", good).read_bytes().replace(b"data/0", b"data/7"),
    }
    for message, content in cases.items():
        path = tmp_path / "x.bin"
        path.write_bytes(content)
        with pytest.raises(InvalidInputError, match=message):
            values(path)


# what a hostile file makes pickletools warn of is no defect of ours
@pytest.mark.filterwarnings("ignore:invalid escape sequence:DeprecationWarning")
@given(st.binary(max_size=80), st.integers(0, 400), st.integers(0, 255))
@example(b"", 22, 92)  # an escape Python warns of
@settings(max_examples=300, deadline=None)
def test_any_pickle_is_a_result_or_a_clear_refusal(noise: bytes, at: int, value: int) -> None:
    """Random bytes and flipped ones give a table or `UnreadableError`, never anything else."""
    flipped = bytearray(table_of(DATA / "tensors.bin"))
    flipped[at % len(flipped)] = value
    for candidate in (noise, bytes(flipped)):
        try:
            result = pickle_table.read(candidate)
        except pickle_table.UnreadableError:
            result = {}

        assert isinstance(result, dict)
