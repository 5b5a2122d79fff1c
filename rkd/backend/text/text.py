"""
Text on its way out of an engine: whole characters, and no stop sequence.

Two small machines, each fed piece by piece and indifferent to where the pieces were cut: the same
text gives the same answer however it arrives. No I/O; one run owns one of each.
"""

from __future__ import annotations

import codecs
from collections.abc import Iterable


class Utf8Assembler:
    """Bytes in, whole characters out; what is no UTF-8 becomes U+FFFD."""

    def __init__(self) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")

    def feed(self, data: bytes) -> str:
        """Take *data* and return the characters it completes."""
        return self._decoder.decode(data)

    def flush(self) -> str:
        """End the text: U+FFFD for a character that never became whole, else nothing."""
        return self._decoder.decode(b"", final=True)


class StopCutter:
    """
    Cuts an answer before the first stop sequence that is complete.

    Of several the one that *ends* first wins, and of those that end together the longest: so a
    run can be stopped at the token that completes it. Held back is only what may still become a
    stop sequence.

    Args:
        stops: the sequences; empty ones are ignored.
    """

    def __init__(self, stops: Iterable[str]) -> None:
        self._stops = tuple(sorted({stop for stop in stops if stop}, key=len, reverse=True))
        # Longest first, so that the first hit of the loop in `_kept` is the longest.
        self._prefixes = tuple(
            sorted(
                {stop[:end] for stop in self._stops for end in range(1, len(stop))},
                key=len,
                reverse=True,
            )
        )
        self._held = ""
        self.matched: str | None = None

    def feed(self, text: str) -> tuple[str, str | None]:
        """
        Take *text*; return what may be emitted now, and the stop sequence once one is complete.

        After a match nothing is emitted any more.
        """
        if not self._stops:
            return text, None
        if self.matched is not None:
            return "", self.matched
        held = self._held + text
        found = [(at + len(stop), at, stop) for stop in self._stops if (at := held.find(stop)) >= 0]
        if found:
            _, at, self.matched = min(found)
            self._held = ""
            return held[:at], self.matched
        cut = len(held) - self._kept(held)
        self._held = held[cut:]
        return held[:cut], None

    def flush(self) -> str:
        """End the text: return what was held back and never became a stop sequence."""
        held, self._held = self._held, ""
        return held

    def _kept(self, held: str) -> int:
        """How many characters at the end of *held* may still become a stop sequence."""
        if not held.endswith(self._prefixes):
            return 0
        return next(len(prefix) for prefix in self._prefixes if held.endswith(prefix))
