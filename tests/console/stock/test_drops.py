"""What is made of files dropped on the page."""

from __future__ import annotations

import pytest
from rkd_console.pages.stock.drops import LARGEST_BYTES, MOST_FILES, Dropped, model_name, planned

from rkd.model import ModelName
from rkd.modelfile.parse import parse


def dropped(*names: str, size: int = 5) -> tuple[Dropped, ...]:
    """Files of those names."""
    return tuple(Dropped(str(at), name, size) for at, name in enumerate(names))


@pytest.mark.parametrize(
    ("names", "kind", "origin"),
    [
        (("a.gguf",), "weights", "./a.gguf"),
        (("A B.GGUF",), "weights", "./A B.GGUF"),
        (("x.rkllm", "tokenizer.json"), "weights", "./x.rkllm"),
        (("mmproj-x.gguf", "x.gguf"), "weights", "./x.gguf"),
        (
            ("x-00002-of-00002.gguf", "x-00001-of-00002.gguf"),
            "weights",
            "./x-00001-of-00002.gguf",
        ),
        (("config.json", "model.safetensors", "tokenizer.json"), "checkpoint", "."),
        (('"q".gguf',), "weights", './"q".gguf'),
    ],
)
def test_what_it_is(names: tuple[str, ...], kind: str, origin: str) -> None:
    """Weights with what comes with them, or a checkpoint; the Modelfile says FROM one of them."""
    plan = planned(dropped(*names))

    assert (plan.wrong, plan.kind) == ("", kind)
    assert parse(plan.modelfile).values("FROM") == (origin,)
    assert plan.size_bytes == 5 * len(names)


@pytest.mark.parametrize(
    ("files", "wrong"),
    [
        ((), "none"),
        (dropped("cat.png"), "what"),
        (dropped("model.safetensors"), "what"),
        (dropped("a.gguf", "A.gguf"), "twice"),
        (dropped("a.gguf", size=0), "empty"),
        (dropped("a.gguf", size=LARGEST_BYTES + 1), "large"),
        (dropped("../a.gguf"), "called"),
        (dropped("a\nFROM x.gguf"), "called"),
        (dropped(".hidden.gguf"), "called"),
        (dropped("a\\b.gguf"), "called"),
        (dropped("x" * 300 + ".gguf"), "called"),
        (dropped(""), "called"),
        (dropped(*(f"{n}.gguf" for n in range(MOST_FILES + 1))), "many"),
    ],
)
def test_what_is_refused(files: tuple[Dropped, ...], wrong: str) -> None:
    """Before a byte of it is read."""
    assert planned(files).wrong == wrong


@pytest.mark.parametrize(
    ("file", "name"),
    [
        ("Qwen2.5-1.5B Q4_K_M.gguf", "Qwen2.5-1.5B-Q4_K_M"),
        ("x-00001-of-00003.gguf", "x"),
        ("模型.gguf", ""),
        ("-.x.gguf", "x"),
        ("a" * 140 + ".gguf", "a" * 128),
    ],
)
def test_a_name_is_one_the_daemon_takes(file: str, name: str) -> None:
    """Or none, where nothing is left of it."""
    assert model_name(file) == name
    assert not name or ModelName.parse(name).text == name
