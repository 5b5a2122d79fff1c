"""Text on its way out is the same however the pieces were cut."""

from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st

from rkd.backend.text.text import StopCutter, Utf8Assembler
from tests.unit.backend.text.cutting import CUTS, pieces_of


class TestUtf8Assembler:
    """Bytes in, whole characters out."""

    @given(text=st.text(max_size=40), cuts=CUTS)
    def test_any_split_gives_the_text(self, text: str, cuts: list[int]) -> None:
        """Characters cut anywhere come out whole and in order."""
        data = text.encode("utf-8")
        at = sorted({0, len(data), *(cut % (len(data) + 1) for cut in cuts)})
        assembler = Utf8Assembler()
        out = [assembler.feed(data[start:end]) for start, end in itertools.pairwise(at)]

        assert text == "".join(out) + assembler.flush()

    def test_an_unfinished_character_becomes_the_replacement(self) -> None:
        """What never became whole is told by U+FFFD at the end, not lost."""
        assembler = Utf8Assembler()

        assert (assembler.feed("a😀".encode()[:3]), assembler.flush()) == ("a", "\ufffd")

    def test_broken_bytes_do_not_take_their_neighbours_along(self) -> None:
        """A byte that is no UTF-8 becomes U+FFFD between whole characters."""
        assert Utf8Assembler().feed(b"a\xff\xc3\xa9") == "a\ufffdé"


def cut(stops: list[str], pieces: list[str]) -> tuple[str, str | None]:
    """What a cutter emits for *pieces* in all, and what it matched."""
    cutter = StopCutter(stops)
    out = ""
    for piece in pieces:
        emitted, _ = cutter.feed(piece)
        out += emitted
    return out + cutter.flush(), cutter.matched


class TestStopCutter:
    """No part of a stop sequence ever comes out."""

    @given(
        text=st.text(alphabet="abc", max_size=30),
        stops=st.lists(st.text(alphabet="abc", max_size=4), max_size=4),
        cuts=CUTS,
    )
    def test_any_split_cuts_at_the_same_place(
        self, text: str, stops: list[str], cuts: list[int]
    ) -> None:
        """Cut anywhere or not at all, output and matched sequence are the same, and are right."""
        ends = [
            (at + len(stop), at, stop) for stop in stops if stop and (at := text.find(stop)) >= 0
        ]
        expected = (text[: min(ends)[1]], min(ends)[2]) if ends else (text, None)

        assert expected == cut(stops, [text])
        assert expected == cut(stops, pieces_of(text, cuts))

    def test_nothing_is_held_that_cannot_become_a_stop(self) -> None:
        """Text goes out at once unless its end begins a stop sequence."""
        cutter = StopCutter(["</s>", "END"])

        assert [
            cutter.feed("hello"),
            cutter.feed("x<"[:1]),
            cutter.feed("E?"),
        ] == [("hello", None), ("x", None), ("E?", None)]
        assert cutter.feed("a <") == ("a ", None)
        assert cutter.feed("b") == ("<b", None)

    def test_the_one_that_ends_first_wins(self) -> None:
        """A short stop inside a longer one that is still incomplete stops the run."""
        assert cut(["abcd", "bc"], ["a", "b", "cd"]) == ("a", "bc")

    def test_the_longest_of_those_ending_together_wins(self) -> None:
        """Two stops ending at one character: the one that began earlier is cut whole."""
        assert cut(["bc", "abc"], ["xabc"]) == ("x", "abc")

    def test_after_a_match_nothing_comes(self) -> None:
        """Tokens an engine still sends while it is being stopped are swallowed."""
        cutter = StopCutter(["!"])
        cutter.feed("a!b")

        assert cutter.feed("more") == ("", "!")
        assert cutter.flush() == ""

    def test_held_text_comes_at_the_end(self) -> None:
        """What began like a stop sequence and did not become one is not lost."""
        cutter = StopCutter(["END"])

        assert cutter.feed("aEN") == ("a", None)
        assert cutter.flush() == "EN"

    def test_without_stops_all_passes(self) -> None:
        """No stops, or empty ones only: every piece goes straight through."""
        assert StopCutter([""]).feed("a\nb") == ("a\nb", None)
