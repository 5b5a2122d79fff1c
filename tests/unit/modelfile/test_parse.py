"""The Ollama dialect, case by case; numbers are those of the list kept from Ollama's own tests."""

from __future__ import annotations

import pytest

from rkd.errors import InvalidInputError, Reason
from rkd.modelfile.commands import Dialect
from rkd.modelfile.parse import Modelfile, parse

CASES: dict[str, tuple[str, list[tuple[str, str, str]]]] = {
    "1 quotes keep blanks": ('FROM "FOO  BAR  "', [("FROM", "", "FOO  BAR  ")]),
    "3 bare values may hold blanks": (
        "FROM /what/is/the path ",
        [("FROM", "", "/what/is/the path")],
    ),
    "7 unknown parameters parse": (
        "PARAMETER what the\nFROM lemons make lemonade ",
        [("PARAMETER", "what", "the"), ("FROM", "", "lemons make lemonade")],
    ),
    "11 licence": ('FROM x\nLICENSE "MIT   "', [("FROM", "", "x"), ("LICENSE", "", "MIT   ")]),
    "13a block": (
        'FROM x\nSYSTEM """\nA\nB\n"""\n',
        [("FROM", "", "x"), ("SYSTEM", "", "\nA\nB\n")],
    ),
    "13b block": ('FROM x\nSYSTEM """\nA\nB."""\n', [("FROM", "", "x"), ("SYSTEM", "", "\nA\nB.")]),
    "13c block": ('FROM x\nSYSTEM """A\nB."""', [("FROM", "", "x"), ("SYSTEM", "", "A\nB.")]),
    "13d block": ('FROM x\nSYSTEM """one line"""', [("FROM", "", "x"), ("SYSTEM", "", "one line")]),
    "15 quotes inside": (
        'FROM x\nSYSTEM """\nhas "quotes".\n"""',
        [("FROM", "", "x"), ("SYSTEM", "", '\nhas "quotes".\n')],
    ),
    "17 a single quote": ('FROM x\nSYSTEM "\'"', [("FROM", "", "x"), ("SYSTEM", "", "'")]),
    "19 ends with the file": (
        'FROM x\nTEMPLATE """a\nb"""',
        [("FROM", "", "x"), ("TEMPLATE", "", "a\nb")],
    ),
    "25 tab before, not latin": (
        "FROM x\n\tSYSTEM 你好👋",
        [("FROM", "", "x"), ("SYSTEM", "", "你好👋")],
    ),
    "39 CRLF inside is kept": (
        'FROM x\r\nSYSTEM """a\r\nb"""\r\n',
        [("FROM", "", "x"), ("SYSTEM", "", "a\r\nb")],
    ),
    "41a comment and keyword inside": (
        'FROM x\nSYSTEM """\n# no comment\nFROM y\n"""',
        [("FROM", "", "x"), ("SYSTEM", "", "\n# no comment\nFROM y\n")],
    ),
    "41b seven quotes": ('FROM x\nSYSTEM """""""', [("FROM", "", "x"), ("SYSTEM", "", '"')]),
    "empty triple": ('FROM x\nSYSTEM """"""', [("FROM", "", "x"), ("SYSTEM", "", "")]),
    "empty quotes": ('FROM x\nSYSTEM ""', [("FROM", "", "x"), ("SYSTEM", "", "")]),
    "quotes of every kind": (
        'FROM x\nSYSTEM """\'\'"\'""\'""\'"\'\'\'\'\'""\'""\'"""',
        [("FROM", "", "x"), ("SYSTEM", "", "''\"'\"\"'\"\"'\"'''''\"\"'\"\"'")],
    ),
    "plain quotes span lines": (
        'FROM x\nSYSTEM "a\nb"',
        [("FROM", "", "x"), ("SYSTEM", "", "a\nb")],
    ),
    "no escapes": (r"FROM x" + "\n" + r'SYSTEM "a\n"', [("FROM", "", "x"), ("SYSTEM", "", r"a\n")]),
    "single quotes are content": ("FROM 'x y'", [("FROM", "", "'x y'")]),
    "no inline comments": ("FROM x # y", [("FROM", "", "x # y")]),
    "keywords in any case, any order": (
        "# first\nparameter num_ctx 1\n\n\tFrOm x\nLicense a\nLICENSE b",
        [
            ("PARAMETER", "num_ctx", "1"),
            ("FROM", "", "x"),
            ("LICENSE", "", "a"),
            ("LICENSE", "", "b"),
        ],
    ),
    "messages": (
        'FROM x\nMESSAGE user Hello there!\nMESSAGE assistant """a\nb"""\nMESSAGE system ""',
        [
            ("FROM", "", "x"),
            ("MESSAGE", "user", "Hello there!"),
            ("MESSAGE", "assistant", "a\nb"),
            ("MESSAGE", "system", ""),
        ],
    ),
    "unprintable signs are kept": (
        "FROM x\nSYSTEM a\u00a0b 👨\u200d👩\u200d👧 \ufeff\x01",
        [("FROM", "", "x"), ("SYSTEM", "", "a\u00a0b 👨\u200d👩\u200d👧 \ufeff\x01")],
    ),
    "several FROM": ("FROM a.gguf\nFROM b.gguf", [("FROM", "", "a.gguf"), ("FROM", "", "b.gguf")]),
    "unset": (
        "FROM x\nUNSET SYSTEM\nunset parameter  stop\nUNSET messages",
        [
            ("FROM", "", "x"),
            ("UNSET", "SYSTEM", ""),
            ("UNSET", "PARAMETER", "stop"),
            ("UNSET", "MESSAGES", ""),
        ],
    ),
    "CR alone ends a line": ("FROM x\rSYSTEM a", [("FROM", "", "x"), ("SYSTEM", "", "a")]),
}

STOPS = (
    'FROM x\nPARAMETER stop ### User:\nPARAMETER stop ### User: \nPARAMETER stop "### User: "\n'
    'PARAMETER stop """### User:\n"""\nPARAMETER stop <|eot_id|>\nPARAMETER stop </s>\n'
)

REFUSED: dict[str, tuple[str, str, str]] = {
    "5a empty": ("", "line 1, column 1", "no FROM line"),
    "5b only a parameter": ("PARAMETER top_k 1\n", "line 2, column 1", "no FROM line"),
    "9 unknown command": (
        "FROM foo\n\nBADCOMMAND param1 value1\n",
        "line 3, column 1",
        'command must be one of "from"',
    ),
    "21 unknown role": (
        "\nFROM foo\nMESSAGE badguy x\n",
        "line 3, column 9",
        'message role must be one of "system", "user", or "assistant"',
    ),
    "31a FROM and line end": ("FROM\n", "line 1, column 1", "FROM needs a value"),
    "31b FROM and file end": ("FROM", "line 1, column 1", "unexpected EOF"),
    "31c FROM and blanks": ("FROM \n", "line 1, column 1", "FROM needs a value"),
    "31d FROM of blanks": ('FROM " "\n', "line 1, column 6", "FROM names nothing"),
    "33 text after a quote": (
        'FROM x\nSYSTEM "hi" there\nPARAMETER stop "x"\n',
        "line 2, column 12",
        'text after the closing "',
    ),
    "35 text after three quotes": (
        'FROM x\nSYSTEM """a"""b\nX"""\n',
        "line 2, column 15",
        'text after the closing """',
    ),
    "37 dash in a parameter": (
        "FROM x\nPARAMETER top-k 1\n",
        "line 2, column 14",
        "invalid character '-' in parameter name (did you mean top_k?)",
    ),
    "39 CRLF counts once": ("FROM x\r\n\r\nBAD y\r\n", "line 3, column 1", "unknown command"),
    "41c one quote of three": ('FROM x\nSYSTEM """" ', "line 2, column 8", "never closed"),
    "41d two quotes of three": ('FROM x\nSYSTEM """""', "line 2, column 8", "never closed"),
    "two of three at the end": ('FROM x\nSYSTEM """a.""', "line 2, column 8", "unexpected EOF"),
    "one quote": ('FROM x\nSYSTEM "', "line 2, column 8", "never closed"),
    "43a digit": ("1FROM x", "line 1, column 1", "unknown command '1FROM'"),
    "43b assignment": ("FROM=foo", "line 1, column 1", "write `FROM value`, without `=`"),
    "43c historic": ("FROM a\nEMBED x", "line 2, column 1", "unknown command 'EMBED'"),
    "43d bare SYSTEM": ("FROM x\nSYSTEM\nPARAMETER top_k 1", "line 2, column 1", "SYSTEM needs a"),
    "typing slip": ("FORM x", "line 1, column 1", "did you mean FROM?"),
    "parameter without value": ("FROM x\nPARAMETER top_k\n", "line 2, column 1", "needs a value"),
    "parameter alone": ("FROM x\nPARAMETER \n", "line 2, column 11", "needs a parameter name"),
    "message without content": ("FROM x\nMESSAGE system\n", "line 2, column 1", "unexpected EOF"),
    "unset of nothing known": ("FROM x\nUNSET FROM", "line 2, column 7", "UNSET takes one of"),
    "unset of a parameter without key": ("FROM x\nUNSET PARAMETER", "line 2, column 7", "a key"),
    "NUL": ("FROM x\nSYSTEM a\0b", "line 2, column 9", "NUL"),
}


@pytest.mark.parametrize("case", CASES)
def test_reads_what_ollama_reads(case: str) -> None:
    """Each text gives the commands Ollama's parser gives, save the characters it loses."""
    text, expected = CASES[case]

    assert [command.bare for command in parse(text).commands] == expected


@pytest.mark.parametrize("case", REFUSED)
def test_refuses_with_the_place(case: str) -> None:
    """Each broken text is refused, naming line, column and cause."""
    text, place, message = REFUSED[case]
    with pytest.raises(InvalidInputError) as caught:
        parse(text)

    assert caught.value.reason is Reason.INVALID_MODELFILE
    assert caught.value.violations[0].field == place
    assert message in caught.value.violations[0].description
    assert place in caught.value.message


def test_stop_values_are_trimmed_outside_quotes_only() -> None:
    """Stops keep blanks and line ends inside quotes and lose them outside (case 23)."""
    assert parse(STOPS).values("PARAMETER") == (
        "### User:",
        "### User:",
        "### User: ",
        "### User:\n",
        "<|eot_id|>",
        "</s>",
    )


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
def test_reads_every_encoding(encoding: str, line_end: str) -> None:
    """UTF-8 with and without mark and UTF-16 with one read alike (case 25)."""
    data = f"FROM x{line_end}\tSYSTEM 你好👋{line_end}".encode(encoding)

    assert parse(data).values("SYSTEM") == ("你好👋",)


def test_reads_big_endian() -> None:
    """UTF-16 with its high byte first reads as well."""
    data = b"\xfe\xff" + "FROM x".encode("utf-16-be")

    assert parse(data).values("FROM") == ("x",)


def test_refuses_bytes_that_are_no_text() -> None:
    """A byte that is no UTF-8 is named by its place."""
    with pytest.raises(InvalidInputError) as caught:
        parse(b"FROM x\nSYSTEM \xff")

    assert caught.value.violations[0].field == "line 2, column 8"


def test_one_bad_line_does_not_hide_the_next() -> None:
    """Every error is a violation, so that a user repairs the file in one go."""
    with pytest.raises(InvalidInputError) as caught:
        parse('FORM x\nSYSTEM "a" b\nMESSAGE me x\nTEMPLAT """\nFROM q\n"""\nFROM x')

    places = [violation.field for violation in caught.value.violations]
    assert places == [
        "line 1, column 1",
        "line 2, column 11",
        "line 3, column 9",
        "line 4, column 1",
    ]


def test_refuses_a_giant() -> None:
    """A file beyond four million characters is refused before it is read."""
    with pytest.raises(InvalidInputError, match="longer than"):
        parse("FROM x\n" + "# \n" * 2_000_000)


def test_positions_point_at_keyword_and_value() -> None:
    """A command knows where its keyword and its value stand."""
    command = parse("\n  FROM   x").commands[0]

    assert (command.line, command.column) == (2, 3)
    assert (command.value_line, command.value_column) == (2, 10)


def test_dialect_is_told_by_content() -> None:
    """The same entry point reads both dialects and says which it was."""
    ollama = parse("FROM x")
    env = parse('FROM="x.rkllm"\nHUGGINGFACE_PATH="a/b"\n')

    assert isinstance(ollama, Modelfile)
    assert [ollama.dialect, env.dialect] == [Dialect.OLLAMA, Dialect.ENV]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("FROM x\nSYSTEM \ud800", "line 2, column 8: half a character"),
        ("FROM x\nSYSTEM \0", "line 2, column 8: NUL"),
        (b"FROM x\nSYSTEM \xe9t\xe9", "line 2, column 8: not utf-8 text"),
        (b"FROM x\nSYSTEM \xed\xa0\x80", "line 2, column 8: not utf-8 text"),
        (b"\xff\xfeF\x00\x00\xd8F\x00", "line 1, column 2: not utf-16 text"),
        (b"\xff\xfeF", "not utf-16 text"),
        (b"FROM x\n" + b"#" * 1_048_576, "longer than 1048576 bytes"),
        ("FROM x\nSYSTEM " + "é" * 524_288, "longer than 1048576 bytes"),
        (b"FROM x\n" * 1_000_000, "longer than 1048576 bytes"),
        ("FROM x" + "\n" * 50_001, "more than 50000 lines"),
        ("FROM x" + "\r" * 50_001, "more than 50000 lines"),
        ("FROM x\n" + "LICENSE a\n" * 4_096, "line 4097, column 1: more than 4096 commands"),
        ('FROM="x.gguf"\nSTOP=["a"' + ',"a"' * 4_096 + "]", "more than 4096 commands"),
        ('FROM="x.gguf"\nSTOP=["\\ud800"]', "half a character"),
        ('FROM="x.gguf"\nMESSAGES=[["user", "\\u0000"]]', "NUL"),
    ],
)
def test_no_text_and_too_much_of_it(given: str | bytes, message: str) -> None:
    """What is no text, or more than a Modelfile may be, is refused with its place."""
    with pytest.raises(InvalidInputError, match=message) as caught:
        parse(given)

    assert caught.value.reason is Reason.INVALID_MODELFILE
    assert caught.value.metadata["line"].isdigit()
    assert caught.value.violations


@pytest.mark.parametrize("line", ["PRAMETER a b\n", "MESSAGE " + "u" * 5_000 + " x\n", "\x1b[2J\n"])
def test_many_problems_are_counted(line: str) -> None:
    """A thousand bad lines are ten violations and a number, each quoting little of its line."""
    with pytest.raises(InvalidInputError) as caught:
        parse("FROM x\n" + line * 100)
    told = [one.description for one in caught.value.violations]

    assert len(told) == 11
    assert told[-1] == "here and further on: 90 more problems"
    assert max(map(len, told)) < 400
    assert all(text.isprintable() for text in told)


def test_other_line_ends_and_marks() -> None:
    """CR alone ends a line, and a byte order mark is no part of the first command."""
    assert parse("FROM x\rSYSTEM a\r").values("SYSTEM") == ("a",)
    assert parse(b"\xef\xbb\xbfFROM x").values("FROM") == ("x",)
    assert parse("FROM x\nSYSTEM a".encode("utf-16")).values("SYSTEM") == ("a",)
