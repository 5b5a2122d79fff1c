"""What is written in a family's own form is read as the call it was."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rkd.backend.text.calls.form import CallForm
from rkd.backend.text.calls.forms import FORMS
from rkd.backend.text.calls.sink import schemas_of
from rkd.backend.text.calls.table import FORMATS, format_of, write_call
from rkd.backend.text.splitter import AnswerSplitter
from rkd.inference import Tool
from tests.unit.backend.text.cutting import merged, pieces_of

ROWS = {row.name: row for row in FORMATS}
ALL = [(row, mark, form) for row, forms in FORMS.items() for mark, form in forms]
SCHEMA = {
    "type": "object",
    "properties": {
        "city": {"type": "string"},
        "n": {"type": "integer"},
        "when": {"anyOf": [{"type": "string"}, {"type": "null"}]},
        "more": {"type": "object"},
        "list": {"type": "array"},
        "yes": {"type": "boolean"},
        "none": {"type": "null"},
    },
}
TOOLS = (Tool("get_weather", "", json.dumps(SCHEMA)), Tool("now", "", "{}"))
PLAIN = st.text(
    st.characters(exclude_characters="<｜[>", exclude_categories=["Cs", "Cc"]), max_size=9
).filter(lambda text: text.strip() != "null")
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-999, 999) | st.sampled_from([0.5, -2.25]) | PLAIN,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["a", "b c", "d.e"]), inner, max_size=3)
    ),
    max_leaves=6,
)
ARGUMENTS = st.fixed_dictionaries(
    {},
    optional={
        "city": PLAIN,
        "n": st.integers(-9, 999),
        "when": PLAIN | st.none(),
        "more": st.dictionaries(st.sampled_from(["a", "b c", "d.e"]), VALUES, max_size=3),
        "list": st.lists(VALUES, max_size=3),
        "yes": st.booleans(),
        "none": st.none(),
    },
)


def calls_in(row: str, pieces: list[str]) -> list[tuple[str, object]]:
    """The calls that *pieces* of an answer of *row* make."""
    splitter = AnswerSplitter(row=ROWS[row], schemas=schemas_of(TOOLS))
    got = merged([*map(splitter.feed, pieces), splitter.flush()])
    return [(one.name, json.loads(one.arguments)) for one in got.tool_calls]


def test_every_row_has_a_form_for_all_others() -> None:
    """And none besides."""
    assert FORMS.keys() == ROWS.keys()
    assert all(forms[-1][0] == "" for forms in FORMS.values())


@pytest.mark.parametrize(("row", "mark", "form"), ALL, ids=lambda one: str(one)[:20])
@settings(max_examples=20)
@given(arguments=ARGUMENTS, cuts=st.lists(st.integers(0, 400), max_size=6))
def test_a_call_written_is_a_call_read(
    row: str, mark: str, form: CallForm, arguments: dict[str, object], cuts: list[int]
) -> None:
    """Of every family and each of its forms, whatever its arguments and wherever it is cut."""
    del mark
    made, _ = form.identified("get_weather", count=0, fresh=lambda: "aB3dE6gH9")
    text = ROWS[row].prompt_end + made.write("get_weather", arguments)

    assert calls_in(row, pieces_of(text, cuts)) == [("get_weather", arguments)]


def test_a_template_shows_which_of_several_it_is() -> None:
    """The form is the template's, everything else the family's."""
    old, new = format_of("[TOOL_CALLS]"), format_of("[TOOL_CALLS] [ARGS] [CALL_ID]")

    assert write_call(old, "f", "{}") == '[TOOL_CALLS][{"name": "f", "arguments": {}}]'
    assert write_call(new, "f", "{}").startswith("[TOOL_CALLS]f[CALL_ID]")
    assert (old.name, new.name, old.readers) == ("mistral", "mistral", new.readers)
    deepseek = format_of("<｜tool▁calls▁begin｜> ```json")
    assert "function<｜tool▁sep｜>f\n```json\n{}\n```" in write_call(deepseek, "f", "{}")
    pythonic = format_of("<|start_header_id|> [func_name1(params_name1=params_value1)]")
    assert write_call(pythonic, "f", '{"a": true, "b": "x"}') == '[f(a=True, b="x")]'


def test_an_id_that_counts() -> None:
    """Kimi's own ids go on from the calls of the conversation."""
    form, ident = ROWS["kimi-k2"].form.identified("f", count=3, fresh=lambda: "no")

    assert ident == "functions.f:3"
    assert form.opening("f").endswith("functions.f:3<|tool_call_argument_begin|>")
