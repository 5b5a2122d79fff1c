"""The text an editor begins with, and the file a Modelfile is for."""

from __future__ import annotations

from rkd_client.v1.models import ShowResponse
from rkd_client.v1.types import WeightsFile
from rkd_console.pages.stock.beginnings import file_meant, first_text

from rkd.modelfile.lint import lint
from rkd.modelfile.parse import parse

NPU = WeightsFile(name="x.rkllm", format="rkllm")
CPU = WeightsFile(name="a b.gguf", format="gguf")


def test_what_stands_is_edited() -> None:
    """Byte for byte."""
    assert first_text(ShowResponse(modelfile="# mine\nFROM x", weights=(NPU,))) == "# mine\nFROM x"


def test_a_bare_folder_begins_with_one_that_can_be_saved() -> None:
    """In the dialect that rkllama reads, for its files."""
    for file in (NPU, CPU):
        text = first_text(ShowResponse(weights=(file,)))

        assert lint(text) == ()
        assert parse(text).values("FROM")[0].removeprefix("./") == file.name
    assert first_text(ShowResponse()) == ""


def test_the_file_meant_is_the_one_from_names() -> None:
    """Else the first; of a text that cannot be read as well."""
    shown = ShowResponse(weights=(NPU, CPU))

    assert file_meant("FROM ./A B.gguf\n", shown) == "a b.gguf"
    assert file_meant("FROM elsewhere\n", shown) == "x.rkllm"
    assert file_meant('SYSTEM """', shown) == "x.rkllm"
    assert file_meant("FROM x", ShowResponse()) == ""
