"""Parameters are typed and checked; a child changes what its parent asked for."""

from __future__ import annotations

import pytest

from rkd import bounds
from rkd.errors import InvalidInputError
from rkd.model import Message, Recipe
from rkd.modelfile.commands import ProblemSeverity
from rkd.modelfile.lint import lint
from rkd.modelfile.parameters import MAX_VALUE_BYTES, PARAMETERS
from rkd.modelfile.parse import parse
from rkd.modelfile.recipe import MAX_MESSAGES
from rkd.modelfile.render import compose, derive, inherit, render, render_env
from rkd.modelfile.sampling import MAX_STOPS, ValueKind

PARENT = """FROM parent.gguf
PARAMETER temperature 0.5
PARAMETER top_k 10
PARAMETER stop A
PARAMETER stop B
SYSTEM You are the parent.
TEMPLATE {% for m in messages %}{{ m.content }}{% endfor %}
MESSAGE user hi
MESSAGE assistant hello
LICENSE MIT
"""


def test_values_get_their_types() -> None:
    """Numbers become int or float, switches bool, stops add up, the last scalar wins (27)."""
    made = parse(
        "FROM x\nPARAMETER temperature 0.5\nPARAMETER top_k 7\nPARAMETER top_k 1\n"
        "PARAMETER stop a\nPARAMETER use_mmap T\nPARAMETER stop b\nPARAMETER kv_cache_type Q8_0\n"
        "LICENSE one\nLICENSE two\nMESSAGE user hi\nADAPTER ./lora.gguf"
    ).recipe()

    assert made == Recipe(
        parameters=(
            ("temperature", 0.5),
            ("top_k", 1),
            ("use_mmap", True),
            ("kv_cache_type", "q8_0"),
            ("stop", "a"),
            ("stop", "b"),
        ),
        messages=(Message("user", "hi"),),
        adapters=("./lora.gguf",),
        licenses=("one", "two"),
    )


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("PARAMETER what the", "unknown parameter 'what'"),
        ("PARAMETER numa true", "unknown parameter 'numa'"),
        ("PARAMETER num_ctxt 1", "did you mean num_ctx?"),
        ("PARAMETER Temperature 1", "did you mean temperature?"),
        ("PARAMETER max_tokens 1", "did you mean num_predict?"),
        ("PARAMETER top_k 1.5", "invalid int value [1.5]"),
        ("PARAMETER top_k x", "invalid int value [x]"),
        ("PARAMETER temperature nan", "invalid float value [nan]"),
        ("PARAMETER temperature inf", "invalid float value [inf]"),
        ("PARAMETER temperature 1e999", "invalid float value [1e999]"),
        ("PARAMETER use_mmap yes", "invalid bool value [yes]"),
        ("PARAMETER temperature -1", "temperature must be 0 to 5, not -1"),
        ("PARAMETER top_p 1.01", "top_p must be 0 to 1"),
        ("PARAMETER num_ctx 99999999999", "num_ctx must be"),
        ("PARAMETER kv_cache_type q5", "one of auto, f16, q8_0, q4_0"),
        ("PARAMETER keep_alive soon", "invalid duration [soon]: a time such as 90s"),
        ("PARAMETER keep_alive -2", "invalid duration [-2]"),
        ("PARAMETER keep_alive 1000000000000", "invalid duration"),
        ("PARAMETER backend gpu", "invalid value [gpu]: one of auto, npu, cpu"),
        ("PARAMETER top_p " + "9" * 2_000, "top_p is longer than 1024 bytes"),
        ("PARAMETER stop " + "é" * 600, "stop is longer than 1024 bytes"),
        ("PARAMETER top_k \u0661", "invalid int value"),
        ("PARAMETER seed " + "9" * 30, "invalid int value"),
        ('PARAMETER stop ""', "stop must be a text that is not empty"),
    ],
)
def test_bad_parameters_are_named(line: str, message: str) -> None:
    """A wrong key, type or range is refused at its place, in words that help."""
    with pytest.raises(InvalidInputError) as caught:
        parse(f"FROM x\n{line}").recipe()

    assert message in caught.value.message
    assert caught.value.violations[0].field.startswith("line 2, column ")


NUMBERS = [k for k, p in PARAMETERS.items() if p.domain.kind in {ValueKind.INT, ValueKind.FLOAT}]


@pytest.mark.parametrize("key", NUMBERS)
def test_every_range_has_both_ends(key: str) -> None:
    """Lowest and highest value of each numeric parameter are accepted, the next are not."""
    row = PARAMETERS[key].domain
    text = "FROM x\nPARAMETER {} {:.0f}"
    for value in (row.low, row.high):
        parse(text.format(key, value)).recipe()
    for value in (row.low - 1, row.high + 1):
        with pytest.raises(InvalidInputError):
            parse(text.format(key, value)).recipe()


def test_deprecated_parameters_are_dropped() -> None:
    """What Ollama ignores with a warning is no part of the recipe."""
    assert parse("FROM x\nPARAMETER f16_kv true").recipe() == Recipe()


def test_child_overrides_key_by_key() -> None:
    """A child's parameter, stop list and messages replace its parent's; the rest is inherited."""
    parent = parse(PARENT).recipe()
    child = parse(
        "FROM parent\nPARAMETER top_k 3\nPARAMETER stop C\nMESSAGE user yo\nLICENSE MIT\nLICENSE X"
    )
    made = derive(parent, child)

    assert made.parameters == (("temperature", 0.5), ("top_k", 3), ("stop", "C"))
    assert made.messages == (Message("user", "yo"),)
    assert made.licenses == ("MIT", "X")
    assert (made.system, made.template) == (parent.system, parent.template)


def test_unset_takes_back() -> None:
    """UNSET clears what only the parent said, one thing each."""
    child = parse(
        "FROM parent\nUNSET SYSTEM\nUNSET TEMPLATE\nUNSET MESSAGES\nUNSET PARAMETER stop\n"
        "UNSET LICENSE"
    )
    made = derive(parse(PARENT).recipe(), child)

    assert made == Recipe(parameters=(("temperature", 0.5), ("top_k", 10)))


def test_empty_system_clears() -> None:
    """SYSTEM "" says: no system prompt, whatever the parent said."""
    made = derive(parse(PARENT).recipe(), parse('FROM parent\nSYSTEM ""'))

    assert made.system == ""


@pytest.mark.parametrize(
    "child",
    [
        "FROM p\nPARAMETER top_k 3\nPARAMETER stop C\nMESSAGE user yo\nLICENSE MIT\nLICENSE X",
        "FROM p\nUNSET SYSTEM\nUNSET PARAMETER stop\nUNSET MESSAGES",
        'FROM p\nSYSTEM ""\nTEMPLATE {{ .Prompt }}',
        "FROM p\nUNSET TEMPLATE\nADAPTER a.gguf",
    ],
)
def test_inherited_modelfile_says_what_derive_says(child: str) -> None:
    """The Modelfile kept for a child asks for exactly the derived recipe, from its own weights."""
    parent = parse(PARENT)
    kept = inherit(parent, parse(child))
    derived = derive(parent.recipe(), parse(child))

    assert sorted(kept.recipe().parameters, key=str) == sorted(derived.parameters, key=str)
    assert kept.values("FROM") == ("parent.gguf",)
    assert kept.recipe().system == derived.system
    assert kept.recipe().template == derived.template
    assert kept.recipe().messages == derived.messages
    assert kept.recipe().licenses == derived.licenses
    assert kept.recipe().adapters == derived.adapters


def test_a_template_that_cannot_be_read_is_named() -> None:
    """A Go template outside the common kind is refused at its place, by the part."""
    with pytest.raises(
        InvalidInputError, match=r"template error: function .shout. not defined"
    ) as e:
        parse("FROM x\nTEMPLATE {{ .Prompt | shout }}").recipe()

    assert e.value.violations[0].field == "line 2, column 10"


def test_sources_are_classified() -> None:
    """Each FROM of a Modelfile comes with what it names."""
    modelfile = parse("FROM ./a.gguf\nFROM hf.co/u/r")

    assert [str(source.kind) for source in modelfile.sources] == ["path", "hub"]


@pytest.mark.parametrize(
    ("text", "value"),
    [("5m", 300), ("1.5s", 1.5), ("0", 0), ("-1", -1), ("Forever", -1), ("1h30m", 5400)],
)
def test_keep_alive_is_a_duration(text: str, value: float) -> None:
    """As in the configuration; for ever is -1, and what is written of it reads back."""
    made = parse(f"FROM x\nPARAMETER keep_alive {text}\nPARAMETER backend CPU").recipe()
    again = compose(made, ("x.gguf",))

    assert made.parameters == (("keep_alive", value), ("backend", "cpu"))
    assert parse(render(again)).recipe() == made
    assert parse(render_env(again)).recipe() == made


def test_env_form_of_backend_and_keep_alive() -> None:
    """In upper case, beside rkllama's own keys."""
    made = parse('FROM="x.rkllm"\nBACKEND="npu"\nKEEP_ALIVE=10m\n').recipe()

    assert made.parameters == (("backend", "npu"), ("keep_alive", 600))


def test_stops_and_messages_are_bounded() -> None:
    """A Modelfile asks for no more than an engine is given, and each is said at its place."""
    stops = "FROM x\n" + "PARAMETER stop a\n" * (MAX_STOPS + 1)
    messages = "FROM x\n" + "MESSAGE user a\n" * (MAX_MESSAGES + 1)

    assert MAX_STOPS <= bounds.MAX_STOPS
    assert MAX_VALUE_BYTES <= bounds.MAX_STOP_BYTES
    assert MAX_MESSAGES < bounds.MAX_MESSAGES
    with pytest.raises(
        InvalidInputError, match="line 66, column 1: more than 64 of parameter stop"
    ):
        parse(stops).recipe()
    with pytest.raises(InvalidInputError, match="line 1026, column 1: more than 1024 messages"):
        parse(messages).recipe()
    assert parse(stops.removesuffix("PARAMETER stop a\n")).recipe()


def test_unknown_parameters_end_somewhere() -> None:
    """A thousand unknown keys are a hundred problems, of which an error lists ten."""
    with pytest.raises(InvalidInputError) as caught:
        parse("FROM x\n" + "PARAMETER num_ctxt 1\n" * 1_000).recipe()

    assert len(caught.value.violations) == 11
    assert caught.value.violations[-1].description == "here and further on: 90 more problems"


def test_lists_add_up() -> None:
    """Stop tokens and breakers are one a line, in both forms; a child's replace its parent's."""
    text = (
        "FROM x\nPARAMETER stop_token_ids 5\nPARAMETER dry_sequence_breakers :\n"
        "PARAMETER stop_token_ids 6\nPARAMETER ignore_eos true\n"
    )
    made = parse(text).recipe()

    assert made.listed("stop_token_ids") == (5, 6)
    assert made.listed("dry_sequence_breakers") == (":",)
    assert made.parameter("ignore_eos") is True
    assert parse(render_env(parse(text))).recipe() == made
    assert not [one for one in lint(text) if "given before" in one.message]
    child = derive(made, parse("FROM y\nPARAMETER stop_token_ids 9\n"))
    assert child.listed("stop_token_ids") == (9,)


def test_what_people_may_expect_and_does_not_happen_is_told() -> None:
    """A Modelfile of Ollama's is taken as it is, and its num_keep is a warning, not silence."""
    text = "FROM x\nPARAMETER num_keep 24\n"
    (said,) = lint(text)

    assert said.severity is ProblemSeverity.WARNING
    assert "num_keep has no effect in rkd: an answer ends where the context is full" in said.message
    assert parse(text).recipe().parameter("num_keep") == 24
