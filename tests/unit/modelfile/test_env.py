"""rkllama's env form is read as it is, and what rkd writes in it stays readable there."""

from __future__ import annotations

import pytest

from rkd.errors import InvalidInputError
from rkd.model import Message, Recipe
from rkd.modelfile.commands import Dialect
from rkd.modelfile.parse import Modelfile, parse
from rkd.modelfile.render import compose, render, render_env

RKLLAMA = """FROM="Qwen2.5-1.5B-w8a8.rkllm"

HUGGINGFACE_PATH="https://huggingface.co/Qwen/Qwen2.5-1.5B-Instruct"

SYSTEM=""

TEMPERATURE=1.0
NUM_CTX=4096
MAX_NEW_TOKENS=1024
TOP_K='7'
ENABLE_THINKING=False
IMAGE_WIDTH=448
# a comment
export REPEAT_PENALTY = 1.1 # said so
"""


def test_reads_rkllamas_own_file() -> None:
    """Keys get Ollama's names, an empty SYSTEM is none, a URL becomes `user/repo`."""
    modelfile = parse(RKLLAMA)

    assert modelfile.dialect is Dialect.ENV
    assert modelfile.values("FROM") == ("Qwen2.5-1.5B-w8a8.rkllm",)
    assert modelfile.recipe() == Recipe(
        parameters=(
            ("temperature", 1.0),
            ("num_ctx", 4096),
            ("num_predict", 1024),
            ("top_k", 7),
            ("enable_thinking", False),
            ("repeat_penalty", 1.1),
        ),
        huggingface_path="Qwen/Qwen2.5-1.5B-Instruct",
    )


@pytest.mark.parametrize(
    ("text", "dialect"),
    [
        ('FROM="x"', Dialect.ENV),
        ("FROM=x.rkllm", Dialect.ENV),
        ("FROM=x\nTEMPERATURE=1", Dialect.ENV),
        ("HUGGINGFACE_PATH=\nFROM=x", Dialect.ENV),
        ("\ufeff# hi\nFROM='x'", Dialect.ENV),
        ("FROM x\nSYSTEM A=1", Dialect.OLLAMA),
        ('SYSTEM """\nFROM="y"\n"""\nFROM x', Dialect.OLLAMA),
    ],
)
def test_recognised_by_content(text: str, dialect: Dialect) -> None:
    """Assignments are the env form, commands are Ollama's."""
    assert parse(text).dialect is dialect


def test_keeps_what_it_does_not_know() -> None:
    """Unknown keys come back unchanged."""
    again = render(parse(RKLLAMA + 'MY_KEY="a b"\n'))

    assert "IMAGE_WIDTH=448\n" in again
    assert 'MY_KEY="a b"\n' in again


@pytest.mark.parametrize(
    ("text", "place", "message"),
    [
        ('FROM="x', "line 1, column 6", "never closed"),
        ('FROM="x"\nhello', "line 2, column 1", "expected KEY"),
        ('FROM="x" y', "line 1, column 6", "text after"),
        ("HUGGINGFACE_PATH=a/b\nSYSTEM=x", "line 2, column 9", "no FROM line"),
        ('FROM=""\nSYSTEM=x', "line 2, column 9", "no FROM line"),
        ('FROM="x"\nMESSAGES="[1]"', "line 2, column 10", "each of MESSAGES"),
        ('FROM="x"\nMESSAGES="hi"', "line 2, column 10", "must be a JSON list"),
        ('FROM="x"\nMESSAGES="[1"', "line 2, column 10", "must be a JSON list"),
    ],
)
def test_broken_files_are_named_by_place(text: str, place: str, message: str) -> None:
    """A line that is no assignment is refused at its place."""
    with pytest.raises(InvalidInputError) as caught:
        parse(text)

    assert caught.value.violations[0].field == place
    assert message in caught.value.message


@pytest.mark.parametrize("bad", ["no slash", "a/b/c/d", "../x"])
def test_refuses_a_path_that_is_no_repository(bad: str) -> None:
    """HUGGINGFACE_PATH is `user/repo`, a URL of it, or empty."""
    with pytest.raises(InvalidInputError, match="no `user/repo`"):
        parse(f'FROM="x.rkllm"\nHUGGINGFACE_PATH="{bad}"').recipe()


def test_everything_survives_the_env_form() -> None:
    """A recipe with every field comes back from the form rkllama reads too."""
    made = Recipe(
        parameters=(("temperature", 0.25), ("enable_thinking", True), ("stop", "a"), ("stop", "[")),
        system='You say "hi"\n\tand \\n leave.',
        template='{% for m in messages %}{{ m["content"] }}{% endfor %}',
        messages=(Message("user", 'x"\n'), Message("assistant", "y")),
        adapters=("a.gguf",),
        licenses=("MIT\n'text'", "[1]"),
        huggingface_path="user/repo",
    )
    text = render_env(compose(made, ("x.rkllm",), Dialect.ENV))

    assert parse(text).dialect is Dialect.ENV
    assert parse(text).recipe() == made
    assert text.startswith('FROM="x.rkllm"\nHUGGINGFACE_PATH="user/repo"\nSYSTEM=')


def test_the_smallest_file_is_rkllamas() -> None:
    """What a repair writes has the four keys rkllama wants, in its order."""
    made = Recipe(parameters=(("temperature", 1.0),))
    text = render_env(compose(made, ("x.rkllm",), Dialect.ENV))

    assert text == 'FROM="x.rkllm"\nHUGGINGFACE_PATH=""\nSYSTEM=""\nTEMPERATURE=1.0\n'


def test_a_plain_text_is_a_list_of_one() -> None:
    """STOP and LICENSE may be a plain text, and an empty one is none."""
    made = parse('FROM="x"\nSTOP="<end>"\nLICENSE=""\nTOP_K=\n').recipe()

    assert made == Recipe(parameters=(("stop", "<end>"),))


def test_unknown_keys_become_comments_in_the_other_dialect() -> None:
    """A key the Ollama dialect cannot spell is kept as a comment, so that it still reads."""
    modelfile = parse(RKLLAMA)
    text = render(Modelfile(modelfile.commands, Dialect.OLLAMA))

    assert '# IMAGE_WIDTH="448"\n' in text
    assert parse(text).recipe().parameters == modelfile.recipe().parameters


def test_what_has_no_place_is_left_out() -> None:
    """An empty FROM takes nothing back; a parameter no key can be made of is not written."""
    twice = parse("FROM=l.gguf\nFROM=\n")

    assert twice.values("FROM") == ("l.gguf",)
    assert parse(render_env(twice)).values("FROM") == ("l.gguf",)
    assert "4" not in render_env(parse("FROM x.gguf\nPARAMETER 4 a"))
    with pytest.raises(InvalidInputError, match="no FROM line"):
        parse('FROM=" "\nTOP_K=1\n')
