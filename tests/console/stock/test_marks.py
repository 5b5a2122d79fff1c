"""The problems of a Modelfile have their place in the text."""

from __future__ import annotations

import pytest
from rkd_console.pages.stock.marks import decorations, in_editor, marks_of

from rkd.modelfile.lint import lint
from tests.growth import assert_linear


def test_a_problem_is_marked_where_it_stands() -> None:
    """Line and column as `rkctl lint` says, and the words behind them."""
    text = "FROM ./w.gguf\n  PARAMETER temprature 1\nSYSTEM x\n"
    (mark,) = marks_of(text)

    assert (mark.line, mark.column) == (2, 3)
    assert text[mark.begin : mark.end] == "PARAMETER temprature 1"
    assert mark.is_error
    assert decorations((mark,))[0]["class"] == "stock-error"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "\n",
        "\n\n",
        "FROM",
        "FROM ",
        "BOGUS",
        "\U0001f600 x",
        "FROM ./a\nTEMPLATE x",
        'SYSTEM """',
    ],
)
def test_every_problem_has_a_place_in_the_text(text: str) -> None:
    """Also where nothing stands: such a one is told in the list alone."""
    marks = marks_of(text)

    assert len(marks) == len(lint(text))
    assert all(0 <= mark.begin <= mark.end <= len(text) for mark in marks)
    assert all(one["from"] < one["to"] for one in decorations(marks))


def test_line_ends_are_those_of_the_editor() -> None:
    """What a Modelfile of another system ends its lines with is no place off."""
    text = in_editor("FROM ./w.gguf\r\nPARAMETER a 1\rX\n")
    assert [text[one.begin : one.end] for one in marks_of(text)] == ["PARAMETER a 1", "X"]


def test_judging_grows_with_the_text_alone() -> None:
    """Many lines, all of them wrong."""
    assert_linear(lambda size: "X\n" * (size // 2), marks_of, most=100_000)
