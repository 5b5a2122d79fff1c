"""Expressions are read as Python, ECMAScript and RE2 agree on, and the rest is refused by place."""

from __future__ import annotations

import pytest

from rkd.grammar.automaton import automaton_of
from rkd.grammar.regex import MAX_POSITIONS, MAX_REGEX_BYTES, PatternError, read, size_of, without
from tests.growth import assert_linear


@pytest.mark.parametrize(
    ("pattern", "at"),
    [
        (r"ab(?=c)", 3), (r"(?!x)", 1), (r"(?<=x)", 1), (r"(?<!x)", 1), (r"(a)\1", 4),
        (r"(?P<a>x)(?P=a)", 9), (r"a(?i)b", 2), (r"(?>a)", 1), (r"(?#c)", 1), (r"\bword", 1),
        (r"\p{L}", 1), (r"\k<a>", 1), (r"a++", 3), (r"a**", 3), (r"a{2}{3}", 5), (r"*a", 1),
        (r"a|?", 3), (r"a^b", 2), (r"a$b", 2), (r"(^a)", 2), (r"(a$)b", 3), (r"a\Zb", 2),
        (r"a{", 2), (r"a{,3}", 2), (r"a{3,1}", 2), (r"a{1001}", 2), ("}", 1), ("]", 1),
        (r"[z-a]", 2), (r"[a-\d]", 2), (r"[[:alpha:]]", 2), (r"[a&&b]", 3), (r"[a--b]", 2),
        (r"[]a]", 2), ("[a", 1), ("(a", 1), ("a)", 2), ("a\\", 2), (r"\q", 1), (r"\0", 1),
        ("a\0", 2), (r"\x00", 1), (r"\ud83d", 1), (r"[^\d\D]", 1), (r"\u{110000}", 1), ("(*F)", 1),
    ],
)  # fmt: skip
def test_what_is_refused_names_its_place(pattern: str, at: int) -> None:
    """Counted from 1, as people count."""
    with pytest.raises(PatternError, match=f"^at character {at}: ") as caught:
        automaton_of(pattern)

    assert caught.value.at == at - 1


@pytest.mark.parametrize(
    ("pattern", "yes", "no"),
    [
        (r"\d{3}-\d{4}", ["555-1234"], ["555-123", "a555-1234", "٣٣٣-١٢٣٤"]),
        (r"^(foo|bar)$", ["foo", "bar"], ["foobar", " foo", "foo\n"]),
        (r"^a|b$", ["a", "b"], ["ab", "ax"]),
        (r"\Aa\Z", ["a"], ["aa"]),
        (r"a.c", ["abc", "a🎉c", "a\rc"], ["a\nc", "ac"]),
        (r"[^a-c]", ["d", "\n", "🎉"], ["a", "c", ""]),
        (r"[\w.-]+@x", ["a.b-c_1@x"], ["é@x", "@x"]),
        (r"a{2,3}", ["aa", "aaa"], ["a", "aaaa"]),
        (r"(ab){2,}", ["abab", "ababab"], ["ab", "aba"]),
        (r"a{0}", [""], ["a"]),
        (r"(?:a|b)+?", ["abba"], [""]),
        (r"(?P<y>\d\d)/(?<m>\d)", ["12/3"], ["12-3"]),
        (r"\x41\u00e9\u{1F389}\U0001F389", ["Aé🎉🎉"], ["aé🎉🎉"]),
        (r"\{\"a\": \[\]\}", ['{"a": []}'], ["{}"]),
        (r"\t\n\r\f\v\s\S", ["\t\n\r\f\v x"], ["\t\n\r\f\v  "]),
        (r"(a*)*b?", ["", "aaab", "b"], ["ba"]),
        (r"|a", ["", "a"], ["b"]),
        (r"(|a)(b|)", ["", "a", "b", "ab"], ["ba"]),
        (r"[-a][b-][.\-]", ["-b.", "a--"], ["bb."]),
        (r"\W\D", ["-x", "é\n"], ["ax", "-1"]),
    ],
)
def test_the_whole_text_matches(pattern: str, yes: list[str], no: list[str]) -> None:
    """And nothing more or less."""
    made = automaton_of(pattern)

    assert [text for text in yes if not made.matches(text)] == []
    assert [text for text in no if made.matches(text)] == []


@pytest.mark.parametrize(
    "pattern",
    [
        "a" * (MAX_REGEX_BYTES + 1),
        "(a{100}){41}",
        "((((a{10}){10}){10}){10}){10}",
        "(a|b)*a(a|b){12}",
        "((a?){50}){20}",
        "(" * 65 + "a" + ")" * 65,
    ],
)
def test_too_large_is_refused(pattern: str) -> None:
    """By its text, its counts, or the ways it goes on at once."""
    with pytest.raises(PatternError):
        automaton_of(pattern)


@pytest.mark.parametrize(
    "pattern", ["a{0,1000}", ".{0,1000}", "(a*)*" * 20, "(x+x+)+y", "(.*,){9}"]
)
def test_what_hangs_elsewhere_is_quick_here(pattern: str) -> None:
    """Nothing is tried twice: as many steps as characters."""
    made = automaton_of(pattern)

    assert_linear(lambda size: "x" * size, made.matches, most=200_000)


def test_counts_are_written_out_within_bounds() -> None:
    """What is counted is what is made."""
    assert size_of(read("(ab|c{3}){2,4}d*")) == 21
    assert size_of(read("a{1000}b{1000}c{1000}d{1000}e{96}")) == MAX_POSITIONS


def test_what_is_left_of_all_characters() -> None:
    """No surrogates, no NUL; the end of one range begins the next."""
    assert without(()) == ((1, 0xD7FF), (0xE000, 0x10FFFF))
    assert without(((1, 9), (11, 0x10FFFF))) == ((10, 10),)
    assert without(((0, 0x10FFFF),)) == ()
