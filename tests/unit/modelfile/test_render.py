"""What is written reads back: every command, every character of every value."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rkd.errors import InvalidInputError, Reason
from rkd.modelfile.commands import ROLES, Command, Dialect, Problem
from rkd.modelfile.lint import lint
from rkd.modelfile.parse import Modelfile, parse
from rkd.modelfile.render import render, render_env

TEXT = st.text(
    alphabet=st.one_of(
        st.sampled_from(" \"'\n\r\t#\\={}\u00a0\u200d\ufeffa"),
        st.characters(exclude_categories=["Cs"], exclude_characters="\0"),
    ),
    max_size=30,
)
COMMAND = st.one_of(
    st.builds(Command, st.sampled_from(["SYSTEM", "TEMPLATE", "LICENSE", "ADAPTER"]), TEXT),
    st.builds(Command, st.just("PARAMETER"), TEXT, st.sampled_from(["stop", "top_k", "a_B9"])),
    st.builds(Command, st.just("MESSAGE"), TEXT, st.sampled_from(ROLES)),
    st.builds(Command, st.just("UNSET"), st.just(""), st.sampled_from(["SYSTEM", "MESSAGES"])),
)
PIECES = (
    *("FROM ", "FROM=", "SYSTEM ", '"""', "PARAMETER stop ", "MESSAGE user ", "TEMPLATE ", "\n"),
    *("TEMPERATURE=", "UNSET ", "{{ .Prompt }}", "{{ if .System }}", "{{ end }}", "{{ range "),
)
SIGNS = ' "\n\r\t#=A:\0{%.}'
FILE = st.text(alphabet=st.sampled_from(SIGNS), max_size=12) | st.sampled_from(PIECES)


def bare(modelfile: Modelfile) -> list[tuple[str, str, str]]:
    """The commands without their places."""
    return [command.bare for command in modelfile.commands]


@given(st.lists(COMMAND, max_size=6))
@settings(max_examples=300, deadline=None)
def test_every_value_survives(commands: list[Command]) -> None:
    """Rendering then parsing gives the same commands, or the render refuses three quotes."""
    modelfile = Modelfile((Command("FROM", "x y.gguf"), *commands))
    try:
        text = render(modelfile)
    except InvalidInputError:
        text = ""
        hopeless = any('"""' in command.value for command in commands)
    else:
        hopeless = False
        assert bare(parse(text)) == bare(modelfile)

    assert hopeless or text.startswith("FROM x y.gguf\n")


@given(st.lists(COMMAND.filter(lambda c: c.keyword != "UNSET"), max_size=6))
@settings(max_examples=200, deadline=None)
def test_recipes_survive_the_env_form(commands: list[Command]) -> None:
    """The env form holds any value of any command, also three quotes."""
    modelfile = Modelfile((Command("FROM", "x.rkllm"), *commands), Dialect.ENV)
    again = parse(render_env(modelfile))

    for keyword in ("LICENSE", "ADAPTER", "MESSAGE"):
        assert again.values(keyword) == modelfile.values(keyword)
    for keyword in ("SYSTEM", "TEMPLATE"):
        assert again.values(keyword)[-1:] == (
            modelfile.values(keyword)[-1:] or again.values(keyword)
        )
    assert bare(parse(render_env(again))) == bare(again)


@given(st.lists(FILE, max_size=12).map("".join) | st.binary(max_size=60))
@settings(max_examples=500, deadline=None)
def test_any_text_is_a_result_or_a_clear_refusal(text: str | bytes) -> None:
    """Whatever the bytes, parse and lint agree: a Modelfile, or places and words; never else."""
    problems = lint(text)
    try:
        parse(text).recipe()
        refused = None
    except InvalidInputError as refusal:
        refused = refusal.reason if refusal.violations else None

    errors = [problem for problem in problems if problem.severity == "error"]
    assert refused == (Reason.INVALID_MODELFILE if errors else None)


def test_three_quotes_are_refused_not_lost() -> None:
    """A value no quoting can hold is an error at once, not a broken file later."""
    with pytest.raises(InvalidInputError, match="cannot be written"):
        render(Modelfile((Command("FROM", "x"), Command("SYSTEM", 'a """ b\n'))))


def test_lint_lists_everything_in_order() -> None:
    """Errors and warnings come together, sorted by place."""
    problems = lint(
        "PARAMETER top_k x\nFROM a\nSYSTEM one\nSYSTEM two\nPARAMETER num_gpu 1\n"
        "PARAMETER low_vram true\nDRAFT b\nTEMPLATE hello\nWHAT"
    )

    assert [str(problem) for problem in problems] == [
        "line 1, column 17: error: invalid int value [x]",
        "line 4, column 1: warning: SYSTEM was given before: the last one wins",
        "line 5, column 1: warning: parameter num_gpu has no effect in rkd",
        "line 6, column 1: warning: parameter low_vram is deprecated and ignored",
        "line 7, column 1: warning: rkd has no speculative decoding yet: DRAFT is kept and ignored",
        f"line 8, column 1: warning: {problems[-2].message}",
        str(Problem(9, 1, problems[-1].message)),
    ]


def test_lint_is_silent_when_all_is_well() -> None:
    """A good file has no problems, of either dialect."""
    assert lint("FROM x\nPARAMETER num_ctx 2048\nPARAMETER stop a\nPARAMETER stop b\n") == ()
    assert lint(b'FROM="x.rkllm"\nHUGGINGFACE_PATH=""\nSYSTEM=""\nTEMPERATURE=1.0\n') == ()


def test_lint_names_bad_bytes_and_unknown_keys() -> None:
    """Bytes that are no text and keys nobody knows are told."""
    assert lint(b"FROM \xff")[0].place == "line 1, column 6"
    mixed = lint("FROM x\nTEMPLATE {% if a %}{{ .Prompt }}{% endif %}")
    assert mixed[0].message == "the template mixes Jinja and Go: read as Jinja"
    assert "did you mean TEMPERATURE?" in lint('FROM="x"\nTEMPERATUR=1')[0].message
