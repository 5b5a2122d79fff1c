"""The Modelfile kept with a model."""

from __future__ import annotations

from rkd.modelfile.parse import parse
from rkd.operations.modelfiles import adopted, kept


def test_from_names_the_file_beside_it() -> None:
    """Whatever path it had on the client's machine; everything else stays."""
    text = kept(parse("FROM /home/a/x.gguf\nSYSTEM Be brief.\n"), ("x.gguf",), {})

    assert text == "FROM ./x.gguf\nSYSTEM Be brief.\n"


def test_npu_weights_get_rkllamas_form() -> None:
    """With all that rkllama does not load a model without."""
    text = kept(parse("FROM ./x.rkllm\nPARAMETER top_k 3\n"), ("x.rkllm",), {})

    assert text.splitlines()[:3] == ['FROM="x.rkllm"', 'HUGGINGFACE_PATH=""', 'SYSTEM=""']
    assert "TEMPERATURE=1.0" in text
    assert parse(text).recipe().parameter("top_k") == 3


def test_a_temperature_that_was_asked_for_stays() -> None:
    """The default comes only where there is none."""
    text = kept(parse("FROM ./x.rkllm\nPARAMETER temperature 0.2\n"), ("x.rkllm",), {})

    assert parse(text).recipe().parameters == (("temperature", 0.2),)


def test_adapters_are_named_beside_it_and_unset_has_done_its_work() -> None:
    """ADAPTER is a file of the folder; UNSET speaks to a parent that is merged already."""
    modelfile = parse("FROM p\nADAPTER /a/l.gguf\nUNSET SYSTEM\n")

    assert kept(modelfile, ("x.gguf",), {"/a/l.gguf": "l.gguf"}) == (
        "FROM ./x.gguf\nADAPTER ./l.gguf\n"
    )


def test_a_file_in_its_folder_gets_what_rkllama_writes() -> None:
    """FROM, HUGGINGFACE_PATH, SYSTEM and TEMPERATURE, in this order."""
    keys = [line.split("=")[0] for line in adopted("x.rkllm", "u/r").splitlines()]

    assert keys == ["FROM", "HUGGINGFACE_PATH", "SYSTEM", "TEMPERATURE"]
    assert parse(adopted("x.rkllm", "u/r")).recipe().huggingface_path == "u/r"
    assert adopted("x.gguf", "") == "FROM ./x.gguf\n"
