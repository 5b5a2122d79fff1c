"""
Tokens that are no whole character, found again by their bytes.

The engine sends no event for a token that only began a character, and so neither its id nor its
probability: only how many there were. Their bytes are those of the character without the last
token's, and of tokens with just these bytes there is hardly ever more than one sequence.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property


class Fragments:
    """
    The tokens of one vocabulary that are no whole text; safe from any thread.

    Args:
        read: gives the bytes of every token by its id; called when first needed.
    """

    def __init__(self, read: Callable[[], Sequence[bytes]]) -> None:
        self._read = read

    @cached_property
    def _words(self) -> Sequence[bytes]:
        return self._read()

    @cached_property
    def _ids(self) -> dict[bytes, int]:
        """The first token of each piece of a character."""
        found: dict[bytes, int] = {}
        for at, word in enumerate(self._words):
            if not _whole(word):
                found.setdefault(word, at)
        return found

    @property
    def count(self) -> int:
        """How many tokens there are."""
        return len(self._words)

    def text_of(self, token_id: int) -> str:
        """The text of a token, U+FFFD for what is no whole character."""
        return self._bytes(token_id).decode("utf-8", errors="replace")

    def before(self, data: bytes, last: int, count: int) -> tuple[int, ...]:
        """
        Return the *count* tokens that stand before *last* at the end of *data*.

        Args:
            data: bytes that end with those of all these tokens.
            last: the token that ended the character.
            count: how many have not been told.

        Returns:
            Their ids, or nothing where no tokens make these bytes. Of several ways the one with
            the longest tokens first, which is how text is cut.
        """
        tail = self._bytes(last)
        if not tail or not data.endswith(tail):
            return ()
        missing = data[: -len(tail)]
        # What stands before them may have been held back as the beginning of a stop sequence.
        for begin, byte in enumerate(missing):
            inside = begin and byte & 0xC0 == 0x80  # noqa: PLR2004 - a byte that continues one
            found = None if inside else self._cut(missing[begin:], count)
            if found is not None:
                return found
        return ()

    def _bytes(self, token_id: int) -> bytes:
        return self._words[token_id] if 0 <= token_id < len(self._words) else b""

    def _cut(self, data: bytes, count: int) -> tuple[int, ...] | None:
        if count == 1:
            only = self._ids.get(data)
            return None if only is None else (only,)
        for end in range(len(data) - count + 1, 0, -1):
            first = self._ids.get(data[:end])
            rest = None if first is None else self._cut(data[end:], count - 1)
            if first is not None and rest is not None:
                return (first, *rest)
        return None


def _whole(word: bytes) -> bool:
    try:
        word.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True
