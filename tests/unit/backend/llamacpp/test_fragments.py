"""Tokens that are no whole character are found by their bytes."""

from __future__ import annotations

from typing import Any

from rkd.backend.llamacpp.fragments import Fragments
from rkd.backend.llamacpp.record import TokenRecord
from rkd.tokens import Logprob, TokenLogprobs

WORDS = [
    b"a",
    b"\xf0\x9f",
    b"\x8e",
    b"\x89",
    b"\xf0",
    b"\x9f",
    b" \xf0\x9f",
    b"\x9f\x8e",
    b"b",
    b"",
]
PARTY = "🎉".encode()  # f0 9f 8e 89


def fragments(words: list[bytes] = WORDS) -> Fragments:
    """Those of a small vocabulary."""
    return Fragments(lambda: words)


def test_what_stands_before_the_last() -> None:
    """As many as were not told; of several ways the one with the longest first."""
    found = fragments()

    assert found.before(PARTY, 3, 2) == (1, 2)
    assert found.before(PARTY, 3, 3) == (4, 5, 2)
    assert found.before(b" " + PARTY, 3, 2) == (6, 2)
    assert found.before(b"held" + PARTY, 3, 2) == (1, 2)


def test_what_cannot_be_is_nothing() -> None:
    """Another number, another end, a token there is not: none is made up."""
    found = fragments()

    assert found.before(PARTY, 3, 1) == ()
    assert found.before(PARTY, 3, 9) == ()
    assert found.before(b"xyz", 3, 1) == ()
    assert found.before(PARTY, 99, 2) == ()
    assert found.before(PARTY, 9, 2) == ()
    assert fragments([]).before(PARTY, 3, 2) == ()
    assert found.text_of(1) == "\ufffd"


def event(text: str, tokens: list[int], **more: Any) -> dict[str, Any]:
    """One of the engine's."""
    return {"content": text, "tokens": tokens, **more}


def entry(token: int, text: str) -> dict[str, Any]:
    """Its probability."""
    return {"id": token, "bytes": list(text.encode()), "logprob": -1.0, "top_logprobs": []}


def test_ids_come_with_their_character() -> None:
    """Those found, then the one that was told; each once."""
    record = TokenRecord(None, fragments())
    record.take(event("a", [0]), 1)
    assert record.new_ids() == (0,)
    record.take(event("🎉", [3]), 3)
    record.take(event("", []), 2)

    assert record.new_ids() == (1, 2, 3)
    assert record.new_ids() == ()
    assert record.lost == 2


def test_probabilities_wait_for_what_is_missing() -> None:
    """They are told in order; what nobody fills is left out at last."""
    record = TokenRecord(0, fragments())
    for text, token, new in (("a", 0, 1), ("🎉", 3, 3), ("b", 8, 1)):
        record.take(event(text, [token], completion_probabilities=[entry(token, text)]), new)

    assert [one.chosen.token_id for one in record.new_logprobs()] == [0]
    assert record.new_logprobs() == ()
    assert record.gaps == [1, 2]
    record.fill(1, TokenLogprobs(Logprob(1, "?", -2.0)))
    assert [one.chosen.token_id for one in record.new_logprobs()] == [1]
    assert record.give_up() == 1
    assert [one.chosen.token_id for one in record.new_logprobs(1)] == [3]
    assert [one.chosen.token_id for one in record.new_logprobs(1)] == [8]


def test_bytes_beside_probabilities_win() -> None:
    """Text is whole characters alone; the engine tells the bytes where it tells chances."""
    record = TokenRecord(0, fragments([b"\xff", b"\xc3", b"a"]))
    broken = {"id": 2, "bytes": [0xC3, 97], "logprob": -1.0, "top_logprobs": []}
    record.take(event("\ufffda", [2], completion_probabilities=[broken]), 2)

    assert record.ids == [1, 2]
