"""Every family's calls are read from its answers, wherever these were cut."""

from __future__ import annotations

import json
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rkd.backend.text.calls.sink import schemas_of
from rkd.backend.text.calls.table import FORMATS, HERMES, format_of, markers_of
from rkd.backend.text.splitter import AnswerSplitter, Split
from rkd.capability.think import opened
from tests.growth import assert_linear
from tests.unit.backend.text.cutting import merged
from tests.unit.backend.text.samples import SAMPLES, TOOLS, ULM, Sample

ROWS = {row.name: row for row in FORMATS}


def splitter_of(row: str, prompt: str = "") -> AnswerSplitter:
    """A splitter for answers of *row* behind *prompt*."""
    end = ROWS[row].prompt_end
    return AnswerSplitter(
        row=ROWS[row],
        schemas=schemas_of(TOOLS),
        thinking=opened(prompt),
        prompt_end=bool(end) and prompt.endswith(end),
    )


def read(sample: Sample, pieces: list[str]) -> tuple[Split, AnswerSplitter]:
    """What *pieces* of a sample's answer make in all."""
    splitter = splitter_of(sample.row, sample.opened)
    got = merged([*map(splitter.feed, pieces), splitter.flush()])
    return got, splitter


def told(split: Split) -> tuple[str, str, list[tuple[str, object]]]:
    """Text, reasoning and calls, without what differs from run to run."""
    calls = [(call.name, json.loads(call.arguments)) for call in split.tool_calls]
    return split.text, split.reasoning, calls


def ids(sample: Sample) -> str:
    """A name for a case."""
    return f"{sample.row}-{len(sample.answer)}"


def test_every_row_has_a_sample() -> None:
    """No family is in the table without an answer of it here."""
    assert {sample.row for sample in SAMPLES} == set(ROWS)


@pytest.mark.parametrize("sample", SAMPLES, ids=ids)
class TestFamilies:
    """What each family writes."""

    def test_whole(self, sample: Sample) -> None:
        """Calls, reasoning and text come apart, and no marker is left."""
        got, splitter = read(sample, [sample.answer])
        text, reasoning, calls = told(got)

        assert (text, reasoning) == (sample.text, sample.reasoning)
        assert tuple(name for name, _given in calls) == sample.calls
        assert calls[0][1] == json.loads(ULM)
        assert (splitter.calls, splitter.warnings) == (len(sample.calls), ())

    def test_cut_at_every_place(self, sample: Sample) -> None:
        """In two pieces at each place, and letter by letter, it is the same."""
        whole = told(read(sample, [sample.answer])[0])

        for at in range(1, len(sample.answer)):
            assert told(read(sample, [sample.answer[:at], sample.answer[at:]])[0]) == whole
        assert told(read(sample, list(sample.answer))[0]) == whole

    def test_ended_at_every_place(self, sample: Sample) -> None:
        """An answer cut off is no failure, and what was made of a call is told as such."""
        for at in range(1, len(sample.answer)):
            got, splitter = read(sample, [sample.answer[:at]])
            begun = len(got.tool_calls)

            assert splitter.calls in {0, begun}
            assert splitter.calls == begun or any("call" in one for one in splitter.warnings)

    def test_ids(self, sample: Sample) -> None:
        """Ids are nine letters and digits, or the model's own where it wants them back."""
        for call in read(sample, [sample.answer])[0].tool_calls:
            own = sample.row == "kimi-k2" and call.id.startswith(f"functions.{call.name}:")
            assert own or (call.id.isalnum() and call.id.isascii() and len(call.id) == 9)

    def test_a_tool_nobody_offered(self, sample: Sample) -> None:
        """A call of an unknown name is shown as it was written, with a warning."""
        answer = sample.answer.replace("get_weather", "rm_rf")
        splitter = splitter_of(sample.row, sample.opened)
        got = merged([splitter.feed(answer), splitter.flush()])

        assert "rm_rf" not in {call.name for call in got.tool_calls}
        assert "rm_rf" in got.text
        assert any("rm_rf" in warning for warning in splitter.warnings)

    def test_markers_are_asked_for(self, sample: Sample) -> None:
        """Every special-looking mark in the answer is one the engines are asked to show."""
        asked = markers_of(ROWS[sample.row], tools=True)
        row = ROWS[sample.row]
        ends = {"<|call|>", *row.drops}
        marks = {
            word
            for word in ("[ARGS]", "[CALL_ID]", "[TOOL_CALLS]", "[THINK]", "[/THINK]")
            if word in sample.answer
        }

        assert marks <= set(asked)
        rest = sample.answer
        for marker in sorted({*asked, *ends}, key=len, reverse=True):
            rest = rest.replace(marker, "")
        assert "<|" not in rest
        assert "｜" not in rest


@given(seed=st.integers(0, 2**32 - 1))
def test_noise_is_never_an_error(seed: int) -> None:
    """Pieces of all families' answers in any order are read, alike in one piece and in letters."""
    draw = random.Random(seed)  # noqa: S311 - a test's noise
    sample = draw.choice(SAMPLES)
    parts = []
    for _ in range(draw.randrange(1, 6)):
        other = draw.choice([sample, sample, draw.choice(SAMPLES)]).answer
        start = draw.randrange(len(other))
        parts.append(other[start : start + draw.randrange(1, 60)])
    noise = "".join(parts)
    one, _ = read(sample, [noise])
    letters, _ = read(sample, list(noise))

    assert (one.text, one.reasoning) == (letters.text, letters.reasoning)
    assert [(c.name, c.arguments) for c in one.tool_calls] == [
        (c.name, c.arguments) for c in letters.tool_calls
    ]


@pytest.mark.parametrize("row", sorted(ROWS))
def test_text_without_markers_is_unchanged(row: str) -> None:
    """Prose, code and JSON that are no calls pass as they are."""
    for text in ('{"city": "Ulm"}', "[1, 2]", "a < b <t [x](y)\n\n", "  {\n} ", "f(x) = 3;\n"):
        splitter = splitter_of(row)

        assert merged([*map(splitter.feed, text), splitter.flush()]).text == text


class TestJson:
    """Calls as JSON."""

    def test_arguments_come_as_they_are_made(self) -> None:
        """The name first, then each piece of the arguments."""
        splitter = splitter_of("hermes")
        pieces = ['<tool_call>{"name": "get_weather", ', '"arguments": {"ci', 'ty": "Ul', 'm"}}']
        told_so_far = [splitter.feed(piece).tool_calls for piece in pieces]

        assert [tuple((c.name, c.arguments) for c in calls) for calls in told_so_far] == [
            (),
            (("get_weather", '{"ci'),),
            (("", 'ty": "Ul'),),
            (("", 'm"}'),),
        ]

    def test_a_closing_tag_inside_a_string(self) -> None:
        """The end of a call is where its JSON ends, not where a string has the tag."""
        got = splitter_of("hermes").feed(
            '<tool_call>{"name": "get_weather", "arguments": {"city": "</tool_call>"}}</tool_call>'
        )

        assert (got.text, json.loads(got.tool_calls[0].arguments)) == (
            "",
            {"city": "</tool_call>"},
        )

    def test_newlines_inside_strings(self) -> None:
        """Raw control characters in a string become escapes: what comes out is JSON."""
        got = splitter_of("hermes").feed(
            '<tool_call>{"name": "get_weather", "arguments": {"city": "a\nb"}}</tool_call>'
        )

        assert json.loads(got.tool_calls[0].arguments) == {"city": "a\nb"}

    @pytest.mark.parametrize("given", ["null", '""', '"{}"', "{}"])
    def test_no_arguments(self, given: str) -> None:
        """However a model writes that there are none, it is an empty object."""
        got = splitter_of("hermes").feed(
            '<tool_call>{"name": "now", "arguments": ' + given + "}</tool_call>"
        )

        assert [(c.name, c.arguments) for c in got.tool_calls] == [("now", "{}")]

    def test_arguments_that_are_no_json(self) -> None:
        """A call whose arguments break off is told to be broken, and does not count."""
        splitter = splitter_of("hermes")
        splitter.feed('<tool_call>{"name": "now", "arguments": {"a": oops}}</tool_call>')
        splitter.flush()

        assert splitter.calls == 0
        assert any("broke" in warning for warning in splitter.warnings)

    def test_an_answer_in_json_is_no_call(self) -> None:
        """Llama's bare JSON is a call only with an offered name and arguments."""
        for text in (
            '{"name": "Bob", "age": 3}',
            '{"name": "now"}',
            'Say {"name": "now", "parameters": {}}',
        ):
            splitter = splitter_of("llama-3")

            assert merged([splitter.feed(text), splitter.flush()]) == Split(text)


def test_values_by_their_schema() -> None:
    """Between tags a string stays as written, a number becomes one, null is null where allowed."""
    got = splitter_of("qwen3-coder").feed(
        "<tool_call><function=get_weather><parameter=city>\n3\n</parameter><parameter=n>3"
        "</parameter><parameter=note>null</parameter></function></tool_call>"
    )

    assert json.loads(got.tool_calls[0].arguments) == {"city": "3", "n": 3, "note": None}


def test_a_value_as_python_prints_it() -> None:
    """Templates that add a value as it is taught their models to write it so."""
    got = splitter_of("seed-oss").feed(
        "<seed:tool_call><function=get_weather><parameter=n>{'k': ['a', \"c'd\", None]}</parameter>"
        "</function></seed:tool_call>"
    )

    assert json.loads(got.tool_calls[0].arguments) == {"n": {"k": ["a", "c'd", None]}}


def test_a_character_of_two_escapes() -> None:
    """As JSON writes it; a half alone is no character, and no error."""
    splitter = AnswerSplitter(row=ROWS["lfm2"], tools=True)
    got = splitter.feed(r"<|tool_call_start|>[f(a='\ud83d\ude00', b='\ud83d.')]<|tool_call_end|>")

    assert json.loads(got.tool_calls[0].arguments) == {"a": "\U0001f600", "b": "\ufffd."}


def test_python_values() -> None:
    """Brackets, commas, quotes and newlines inside strings, nested values, `from` as a name."""
    splitter = AnswerSplitter(row=ROWS["lfm2"], tools=True)
    got = splitter.feed(
        "<|tool_call_start|>[a.b(from='x]), (\\'', q=\"l1\nl2\", m={'k': [1, -2.5, True, null]})]"
        "<|tool_call_end|>"
    )

    assert [(c.name, json.loads(c.arguments)) for c in got.tool_calls] == [
        ("a.b", {"from": "x]), ('", "q": "l1\nl2", "m": {"k": [1, -2.5, True, None]}})
    ]


def test_gemma_nests() -> None:
    """Keys bare at every depth, strings with quotes in them."""
    got = splitter_of("gemma-4").feed(
        '<|tool_call>call:get_weather{city:<|"|>a "b", }<|"|>,o:{k:[1,<|"|>x<|"|>],t:true}}'
        "<tool_call|>"
    )

    assert json.loads(got.tool_calls[0].arguments) == {
        "city": 'a "b", }',
        "o": {"k": [1, "x"], "t": True},
    }


def test_code_for_the_interpreter() -> None:
    """What follows Llama's python tag and is no call is code, where that tool was offered."""
    splitter = AnswerSplitter(row=ROWS["llama-3"], schemas={"code_interpreter": {}})
    got = merged([splitter.feed("<|python_tag|>print(1)\n"), splitter.flush()])

    assert [(c.name, json.loads(c.arguments)) for c in got.tool_calls] == [
        ("code_interpreter", {"code": "print(1)\n"})
    ]


class TestHarmony:
    """The channels of gpt-oss."""

    def test_broken_headers(self) -> None:
        """A header that lacks a part is read for what it says."""
        splitter = splitter_of("gpt-oss")
        got = merged(
            [
                splitter.feed("<|channel|>analysis<|message|>r<|channel|>final<|message|>t"),
                splitter.flush(),
            ]
        )

        assert (got.text, got.reasoning) == ("t", "r")

    def test_without_any(self) -> None:
        """An answer without channels is text."""
        splitter = splitter_of("gpt-oss")

        assert merged([splitter.feed("hello"), splitter.flush()]).text == "hello"

    def test_reasoning_is_counted(self) -> None:
        """Whoever counts can ask whether analysis goes on."""
        splitter = splitter_of("gpt-oss")
        splitter.feed("<|channel|>analysis<|message|>r")
        inside = splitter.in_reasoning
        splitter.feed("<|end|><|start|>assistant<|channel|>final<|message|>")

        assert (inside, splitter.in_reasoning) == (True, False)


def test_formats_are_told_apart() -> None:
    """Each row's own marks lead to it, whatever rows stand before it."""
    for row in FORMATS:
        for parts in row.detect:
            assert format_of("{{ tools }} " + " ".join(parts)) is row
    assert format_of("{{ messages }}") is HERMES


def test_ended_inside_reasoning() -> None:
    """An answer that never left its reasoning says so."""
    splitter = AnswerSplitter()
    splitter.feed("<think>hm")
    splitter.flush()

    assert any("reasoning" in warning for warning in splitter.warnings)


@pytest.mark.parametrize("row", ["hermes", "qwen3-coder", "lfm2", "gemma-4", "gpt-oss"])
def test_long_calls_take_linear_time(row: str) -> None:
    """Twice the arguments in pieces of four letters take twice as long."""
    sample = next(one for one in SAMPLES if one.row == row)

    def work(answer: str) -> None:
        splitter = splitter_of(row)
        for at in range(0, len(answer), 4):
            splitter.feed(answer[at : at + 4])
        splitter.flush()

    assert_linear(lambda size: sample.answer.replace("Ulm", "x" * size), work, most=400_000)


def test_two_markers_of_one_beginning() -> None:
    """Text that only begins like a marker comes out once that is sure."""
    splitter = splitter_of("hermes")

    assert [splitter.feed("a <tool").text, splitter.feed("box>").text] == ["a ", "<toolbox>"]
