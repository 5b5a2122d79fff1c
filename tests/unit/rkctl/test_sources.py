"""What a Modelfile names on this machine, to be brought to the board."""

from __future__ import annotations

from pathlib import Path

import pytest
from rkctl.failure import Failure
from rkctl.make.sources import read


@pytest.mark.parametrize(
    "text",
    [
        "FROM ./m.rkllm\nPARAMETER vision_encoder eyes.rknn\n",
        'FROM="m.rkllm"\nHUGGINGFACE_PATH="a/b"\nVISION_ENCODER="eyes.rknn"\n',
    ],
)
def test_an_encoder_comes_with_the_weights(tmp_path: Path, text: str) -> None:
    """In both forms of a Modelfile; one that is not here is the board's to miss."""
    (tmp_path / "Modelfile").write_text(text)
    (tmp_path / "m.rkllm").write_bytes(b"weights")
    without = read(tmp_path / "Modelfile", None)
    (tmp_path / "eyes.rknn").write_bytes(b"RKNN")
    brought = read(tmp_path / "Modelfile", None)

    assert [one.path.name for one in without.files] == ["m.rkllm"]
    assert [one.path.name for one in brought.files] == ["m.rkllm", "eyes.rknn"]
    assert brought.files[1].name == "eyes.rknn"


def test_an_encoder_of_a_model_on_the_board_is_its_own(tmp_path: Path) -> None:
    """Without weights from here there is nothing it could be put beside."""
    (tmp_path / "Modelfile").write_text("FROM other\nPARAMETER vision_encoder eyes.rknn\n")
    (tmp_path / "eyes.rknn").write_bytes(b"RKNN")

    assert read(tmp_path / "Modelfile", None).files == ()


LONG = "./" + "x/" * 3_000


@pytest.mark.parametrize(
    ("modelfile", "reason"),
    [
        (f"FROM {LONG}\n", "File name too long"),
        (f"FROM ./{'y' * 300}.gguf\n", "File name too long"),
        (f"FROM ./m.gguf\nADAPTER {LONG}\n", "File name too long"),
    ],
    ids=["a long path", "a long name", "a long adapter"],
)
def test_a_name_that_no_file_can_have_is_one_that_is_not_there(
    tmp_path: Path, modelfile: str, reason: str
) -> None:
    """It is told as one line that does not repeat all of it."""
    (tmp_path / "m.gguf").write_bytes(b"GGUF")
    (tmp_path / "Modelfile").write_text(modelfile)
    with pytest.raises(Failure, match="is not there") as failed:
        read(tmp_path / "Modelfile", None)

    assert failed.value.message.endswith(reason.lower())
    assert len(failed.value.message) < 600


def test_an_encoder_of_an_impossible_name_is_the_boards_to_miss(tmp_path: Path) -> None:
    """It is no file of this machine, whatever it is."""
    (tmp_path / "m.rkllm").write_bytes(b"weights")
    (tmp_path / "Modelfile").write_text(f"FROM ./m.rkllm\nPARAMETER vision_encoder {'e' * 5_000}\n")

    assert [one.name for one in read(tmp_path / "Modelfile", None).files] == ["./m.rkllm"]


def test_a_long_origin_is_not_there(tmp_path: Path) -> None:
    """`--from` as well as FROM."""
    for origin in (LONG, "z" * 5_000):
        with pytest.raises(Failure, match="is not there"):
            read(None, origin)
    with pytest.raises(Failure, match="cannot be read: file name too long"):
        read(tmp_path / ("m" * 300), None)
