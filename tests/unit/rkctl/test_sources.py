"""What a Modelfile names on this machine, to be brought to the board."""

from __future__ import annotations

from pathlib import Path

import pytest
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
