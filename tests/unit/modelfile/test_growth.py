"""Every reader of this room takes time in proportion to what it reads."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from rkd.errors import RkdError
from rkd.modelfile.commands import MAX_BYTES, MAX_COMMANDS, MAX_LINES
from rkd.modelfile.goscan import MAX_PIECES, MAX_TEMPLATE_BYTES
from rkd.modelfile.gotemplate import UntranslatableError, is_go, to_jinja
from rkd.modelfile.lint import lint
from rkd.modelfile.parameters import BadValueError, parse_value
from rkd.modelfile.parse import decode, parse
from rkd.modelfile.render import inherit, render, render_env
from rkd.modelfile.source import MAX_SIGNS, classify
from rkd.modelfile.suggest import did_you_mean
from tests.growth import assert_linear

Make = Callable[[int], str]

MODELFILES: dict[str, Make] = {
    "blanks in a value": lambda size: "FROM=x.gguf\nNOTE=a" + " " * size + "b",
    "blanks and hashes": lambda size: 'FROM="x"\nNOTE=' + " a#" * (size // 3),
    "blank line": lambda size: " " * size + "FROM x",
    "one bare value": lambda size: "FROM x\nSYSTEM " + "a " * (size // 2),
    "one quoted value": lambda size: 'FROM x\nSYSTEM "' + "a " * (size // 2) + '"',
    "blanks before a quote": lambda size: 'FROM x\nSYSTEM """' + " " * size + '"""',
    "never closed": lambda size: 'FROM x\nSYSTEM """' + 'a" ' * (size // 3),
    "escapes": lambda size: 'FROM="x"\nNOTE="' + '\\"' * (size // 2) + '"',
    "escapes never closed": lambda size: 'FROM="x"\nNOTE="' + '\\"' * (size // 2),
    "one long word": lambda size: "F" * size,
    "one long name": lambda size: "FROM x\nPARAMETER " + "a" * size + " 1",
    "one long key": lambda size: 'FROM="x"\n' + "A" * size + "=1",
    "one long role": lambda size: "FROM x\nMESSAGE " + "u" * size + " hi",
    "one long number": lambda size: "FROM x\nPARAMETER top_p " + "9" * size + "x",
    "one long address": lambda size: "FROM hf.co/u/r?" + "a" * size + "#",
    "JSON list": lambda size: 'FROM="x"\nSTOP=\'[' + '"a",' * (size // 4) + '"b"]\'',
    "JSON depth": lambda size: 'FROM="x"\nMESSAGES=' + "[" * size,
}
LINES: dict[str, Make] = {
    "empty lines": lambda size: "\n" * size + "FROM x",
    "comments": lambda size: "# a\n" * size + "FROM x",
    "lines of a value": lambda size: 'FROM x\nSYSTEM """' + "a\n" * size + '"""',
    "carriage returns": lambda size: "FROM x\r" + "\r" * size,
    "no assignments": lambda size: 'FROM="x"\n' + "?\n" * size,
    "openers": lambda size: 'FROM="x"\n' + "A=\"\nB='\n" * (size // 2),
}
COMMANDS: dict[str, Make] = {
    "parameters": lambda size: "FROM x\n" + "PARAMETER seed 1\n" * size,
    "unknown parameters": lambda size: "FROM x\n" + "PARAMETER tempratur 1\n" * size,
    "licences": lambda size: "FROM x\n" + "".join(f"LICENSE {n}\n" for n in range(size)),
    "messages": lambda size: "FROM x\n" + "MESSAGE user hi\n" * size,
    "unknown keys": lambda size: 'FROM="x"\n' + "".join(f"TEMPERATUR{n}=1\n" for n in range(size)),
    "unknown commands": lambda size: "FROM x\n" + "PRAMETER a b\n" * size,
}
TEMPLATES: dict[str, Make] = {
    "openings": lambda size: "{{ " * (size // 3),
    "quotes": lambda size: "{{ .System " + '"' * size,
    "backquotes": lambda size: "{{ .System " + "`" * (size + size % 2),
    "escaped quotes": lambda size: '{{ "' + '\\"' * (size // 2),
    "blanks": lambda size: "{{ .Prompt" + " " * size,
    "blanks in many": lambda size: ("{{" + " " * 1_000) * (size // 1_002),
    "dashes": lambda size: "{{ .Prompt " + "-" * size,
    "braces": lambda size: "{{ .Prompt " + "} " * (size // 2),
    "comment": lambda size: "{{/* " + "*" * size,
    "text": lambda size: "{{ .Prompt }}" + "{ x } \n" * (size // 7),
    "parentheses": lambda size: "{{ " + "(" * size,
    "arguments": lambda size: "{{ if eq .Prompt" + ' "a"' * (size // 4) + " }}x{{ end }}",
    "pipes": lambda size: "{{ .Prompt " + "| json " * (size // 7) + "}}",
    "letters": lambda size: "{{ " + "a" * size + "? }}",
    "fields": lambda size: "{{ " + ".a" * (size // 2) + " }}",
    "string": lambda size: '{{ .Prompt }}{{ "' + "\\n" * (size // 2) + '" }}',
}
PIECES: dict[str, Make] = {
    "actions": lambda size: "{{ .Prompt }}" * size,
    "responses": lambda size: "{{ .Response }}" * size,
    "branches": lambda size: "{{ if .Prompt }}a{{ else }}b{{ end }}" * (size // 5),
    "dots": lambda size: "{{ with eq .Prompt .System }}" + "{{ . }}" * size + "{{ end }}",
}


def use(text: str) -> None:
    """Do with a Modelfile all that is done with one."""
    lint(text)
    try:
        modelfile = parse(text)
        modelfile.recipe()
        inherit(modelfile, modelfile)
        render_env(modelfile)
        render(modelfile)
    except RkdError:
        return


def translate(text: str) -> None:
    """Translate a template, or be refused."""
    try:
        to_jinja(text)
    except UntranslatableError:
        return


@pytest.mark.parametrize("make", MODELFILES.values(), ids=MODELFILES)
def test_bytes_of_a_modelfile(make: Make) -> None:
    """Four times the bytes take about four times as long, whatever they are."""
    assert_linear(make, use, most=MAX_BYTES - 100, start=16_000)


@pytest.mark.parametrize("make", LINES.values(), ids=LINES)
def test_lines_of_a_modelfile(make: Make) -> None:
    """So do lines."""
    assert_linear(make, use, most=MAX_LINES - 10)


@pytest.mark.parametrize("make", COMMANDS.values(), ids=COMMANDS)
def test_commands_of_a_modelfile(make: Make) -> None:
    """So do commands: a licence is not compared with every other one."""
    assert_linear(make, use, most=MAX_COMMANDS - 10, start=100)


@pytest.mark.parametrize("make", TEMPLATES.values(), ids=TEMPLATES)
def test_bytes_of_a_template(make: Make) -> None:
    """Nothing in a template makes its reader go back."""
    assert_linear(make, translate, most=MAX_TEMPLATE_BYTES - 100)


@pytest.mark.parametrize("make", PIECES.values(), ids=PIECES)
def test_pieces_of_a_template(make: Make) -> None:
    """Each action is read and written once."""
    assert_linear(make, translate, most=MAX_PIECES - 10, start=100)


def test_bytes_that_are_no_text() -> None:
    """The place of a bad byte at the end is found in one pass."""

    def read(data: bytes) -> None:
        with pytest.raises(RkdError):
            decode(data)

    assert_linear(lambda size: b"FROM x\n" * (size // 7) + b"\xff", read, most=MAX_BYTES)


def test_smaller_readers() -> None:
    """So are the judge of a template's kind, of a FROM, of a value, and the guesser of words."""

    def value(text: str) -> None:
        for key in ("seed", "top_p", "stop", "use_mmap", "kv_cache_type"):
            with pytest.raises(BadValueError):
                parse_value(key, text)

    assert_linear(lambda size: "{{" + " " * size + "{{ " * size, is_go, most=MAX_BYTES)
    assert_linear(lambda size: "hf.co/a/" + "b/" * (size // 2) + "#", classify, most=MAX_SIGNS)
    assert_linear(lambda size: "9" * size + "x", value, most=MAX_BYTES, start=2_000)
    assert_linear(lambda size: "temperatur" * (size // 10), did_you_mean, most=MAX_BYTES)


def test_length_of_a_translation() -> None:
    """What a template says twice is written twice, not doubled with each nesting."""
    eq = with_ = ".Prompt"
    for _ in range(30):
        eq = f'(eq {eq} .System "" "")'
        with_ = f"(and {with_} .System)"
    dots = "{{ with and .Prompt .System }}" + "{{ with and . . }}" * 30 + "{{ . }}"
    dots += "{{ end }}" * 31

    for source in (f"{{{{ if {eq} }}}}x{{{{ end }}}}", f"{{{{ {with_} }}}}", dots):
        assert len(to_jinja(source)) < 2_000 + 20 * len(source)
