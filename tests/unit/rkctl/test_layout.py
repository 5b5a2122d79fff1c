"""Tables and texts laid out for a width, and answers broken as they come."""

from __future__ import annotations

import pytest
from rkctl.screen.flow import Flow
from rkctl.screen.layout import cut, table, width_of, wrapped
from rkctl.screen.progress import Bar

LONG = "Qwen2.5-3B-Instruct-rk3588-w8a8-opt-0-hybrid-ratio-0.0xx"
COLUMNS = ("NAME", ">SIZE", "FORMAT", "QUANT", ">PARAMS", ">CONTEXT", "MODIFIED", "STATE")
ROWS = [
    (LONG, "3.41 GB", "rkllm", "w8a8", "3B", "4096", "2 days ago", "ready"),
    ("tiny", "93.0 MB", "gguf", "Q4_K_M", "135M", "8192", "just now", "invalid: no weights here"),
]


class TestTables:
    """Four ways, the first that fits."""

    def test_a_row_is_a_line_where_nobody_looks(self) -> None:
        """Programs get whole lines."""
        head, lines = table(COLUMNS, ROWS, None)

        assert len(head) == 1
        assert lines[0].split()[0] == LONG
        assert len(lines) == 2

    @pytest.mark.parametrize("room", [80, 70, 60, 50, 40])
    def test_no_line_is_longer_than_the_room(self, room: int) -> None:
        """But for a name that is longer itself; every cell is there, no word broken."""
        head, lines = table(COLUMNS, ROWS, room)
        words = " ".join([*head, *lines]).split()

        assert all(width_of(line) <= room or LONG in line for line in lines)
        assert {word for row in ROWS for cell in row for word in cell.split()} <= set(words)

    def test_a_long_name_stands_above_its_row(self) -> None:
        """Where the others fit in a line."""
        head, lines = table(COLUMNS[:4], [row[:4] for row in ROWS], 60)

        assert head == ["NAME", "     SIZE  FORMAT  QUANT"]
        assert lines[:2] == [LONG, "  3.41 GB  rkllm   w8a8"]

    def test_the_last_column_is_broken_between_words(self) -> None:
        """Under its own beginning."""
        head, lines = table(("A", "WHY"), [("x", "one two three four")], 14)

        assert head == ["A  WHY"]
        assert lines == ["x  one two", "   three four"]

    def test_wide_characters_count_twice(self) -> None:
        """Columns stay aligned."""
        _, lines = table(("NAME", "X"), [("模型", "1"), ("abcd", "2")], None)

        assert lines == ["模型  1", "abcd  2"]

    def test_no_rows_are_a_head(self) -> None:
        """Nothing to lay out."""
        assert table(("A", ">B"), [], 80) == (["A  B"], [])


class TestLines:
    """Text between two edges."""

    def test_words_stay_whole(self) -> None:
        """One longer than a line has its own."""
        assert wrapped("a bb extraordinary c", 5) == ["a bb", "extraordinary", "c"]
        assert wrapped("one\ntwo three", 5) == ["one", "two", "three"]

    def test_what_is_cut_says_so(self) -> None:
        """By columns, not characters."""
        assert (cut("abcdef", 4), cut("abc", 4), cut("模型型", 4)) == ("abc…", "abc", "模…")


def shown(columns: int, *pieces: str) -> list[str]:
    """What a terminal of *columns* shows of *pieces*, line by line."""
    flow, lines, at = Flow(columns), [""], 0
    text = "".join(flow.take(piece) for piece in pieces)
    while text:
        if text.startswith("\x1b["):
            code, text = text[2:].split("D", 1) if "D" in text[2:5] else ("0", text[3:])
            at -= int(code)
            lines[-1] = lines[-1][:at]
            text = text.removeprefix("\x1b[K")
            continue
        if text[0] == "\n":
            lines.append("")
            at = 0
        else:
            lines[-1] += text[0]
            at += 1
        text = text[1:]
    return lines


class TestFlow:
    """An answer in a terminal."""

    @pytest.mark.parametrize("size", [1, 2, 3, 7, 100])
    def test_lines_break_between_words_however_the_pieces_come(self, size: int) -> None:
        """A word that has begun is taken back to the next line."""
        text = "The quick brown fox jumps over the lazy dog, and so it goes on and on."
        pieces = [text[n : n + size] for n in range(0, len(text), size)]
        lines = shown(24, *pieces)

        assert " ".join(line.strip() for line in lines) == text
        assert all(len(line) < 24 for line in lines)

    def test_lines_of_their_own_stay(self) -> None:
        """Code is not touched where it fits."""
        assert shown(40, "def f():\n    return 1\n") == ["def f():", "    return 1", ""]

    def test_a_word_longer_than_a_line_is_left_to_the_terminal(self) -> None:
        """No character is lost."""
        assert "".join(shown(24, "x" * 100)) == "x" * 100

    def test_a_narrow_terminal_gets_the_text_as_it_is(self) -> None:
        """Nothing sensible can be done."""
        assert Flow(10).take("one two three four") == "one two three four"


class TestBars:
    """One line of progress."""

    BAR = Bar("pull a-model-with-a-long-name", "downloading", 10**9, 4 * 10**9, "9 MB/s", "5m left")

    @pytest.mark.parametrize("columns", [30, 40, 50, 80, 120])
    def test_a_bar_is_there_at_every_width(self, columns: int) -> None:
        """And the line fits."""
        line = self.BAR.line(columns, "#", "-")

        assert line.count("#") + line.count("-") >= 10
        assert width_of(line) <= columns or columns < 40

    def test_what_matters_least_goes_first(self) -> None:
        """Everything at 120 columns, how much at 50."""
        assert self.BAR.line(120, "#", "_").endswith("9 MB/s  5m left  downloading")
        narrow = self.BAR.line(50, "#", "_")

        assert "25% 1.00 GB/4.00 GB" in narrow
        assert "downloading" not in narrow
