"""JSON that somebody else wrote."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from rkd import shape
from tests.growth import assert_linear

LARGE = 64 << 20


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"<html>",
        b"\xff\xfe{\x00}\x00",
        b"[" * 200_000,
        b'{"a":' * 100_000,
        b"9" * 5000,
        b"[" + b"0," * 600_000 + b"0]",
        b" " * (1 << 20) + b"1",
    ],
    ids=lambda data: repr(data[:12]),
)
def test_what_is_no_bounded_json_is_refused(data: bytes) -> None:
    """Neither size, depth nor number of values get through."""
    with pytest.raises(shape.UnlikeError):
        shape.parse(data, most_bytes=1 << 20)


def test_parsing_is_linear() -> None:
    """Twice the document takes twice the time, whatever it is made of."""
    assert_linear(
        lambda size: b"[" + b'"\\u0041",' * (size // 9) + b"0]",
        lambda data: shape.parse(data, most_bytes=LARGE, most_values=LARGE),
        most=4_000_000,
    )


@pytest.mark.parametrize("value", [None, 1, "x", [], [{}]])
def test_only_objects_are_records(value: object) -> None:
    """A list, a text or null is not taken for an object."""
    with pytest.raises(shape.UnlikeError):
        shape.record(value)


@pytest.mark.parametrize("value", ["7", 7.0, -1, 2**63, True, None, [], float("nan")])
def test_numbers_fit_the_wire(value: object) -> None:
    """Texts, fractions, truths and what 63 bits cannot hold are no numbers."""
    with pytest.raises(shape.UnlikeError):
        shape.count(value)
    assert shape.count(shape.LARGEST) == 2**63 - 1


@pytest.mark.parametrize("value", ["\ud800", "x" * 11, b"x", None, "é" * 6])
def test_texts_are_utf8_of_bounded_length(value: object) -> None:
    """A lone surrogate cannot go on the wire; lengths count bytes."""
    with pytest.raises(shape.UnlikeError):
        shape.text(value, most_bytes=10)


@pytest.mark.parametrize("value", ["a\nb", "a\0b", "\x1b[31m", "a\u202eb", "\x7f"])
def test_lines_hold_no_control_characters(value: str) -> None:
    """What could write on a terminal is no line."""
    with pytest.raises(shape.UnlikeError):
        shape.line(value, most_bytes=100)
    assert shape.text(value, most_bytes=100) == value


@pytest.mark.parametrize(
    "value",
    [
        "",
        "yesterday",
        "2026-08-01T10:00:00",
        "0001-01-01T00:00:00+23:59",
        "9999-12-31T23:59:59-23:59",
        "1969-12-31T23:59:59Z",
        20260801,
        None,
    ],
)
def test_moments_have_a_zone_and_a_sane_year(value: object) -> None:
    """What no time stamp of the wire can say in every zone is no moment."""
    with pytest.raises(shape.UnlikeError):
        shape.moment(value)


def test_moments_come_in_utc() -> None:
    """Whatever zone they were written in."""
    assert shape.moment("2026-08-01T12:00:00.5+02:00") == datetime(
        2026, 8, 1, 10, 0, 0, 500_000, tzinfo=UTC
    )


def test_lists_are_bounded_and_lose_only_their_bad_items() -> None:
    """One bad item costs itself."""
    assert shape.texts(["a", 1, "b\n", None, "c"], most_items=5, most_bytes=9) == ("a", "c")
    assert shape.texts(["a", "b", "c"], most_items=2, most_bytes=9) == ("a", "b")
    assert shape.texts("abc", most_items=2, most_bytes=9) == ()
    with pytest.raises(shape.UnlikeError):
        shape.items([1, 2, 3], most=2)
    assert shape.either(shape.count, "x", 4) == 4
