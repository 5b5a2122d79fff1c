"""
Cut a Go text/template into texts and actions, and an action into words: one pass, no backtracking.

`gotree.py` builds the tree from them. Every step goes forward in the source, so the time is
proportional to its length whatever stands in it, and the bounds below hold before a tree exists.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from rkd.modelfile.excerpt import excerpt

MAX_TEMPLATE_BYTES = 256 * 1024
"""The longest template of Ollama's library has 10 kB, of the Hub's chat templates some 60."""
MAX_PIECES = 10_000
"""Texts and actions of one template."""

_SPACE = " \t\r\n"
"""What a trim mark takes away, as in Go: other blanks of Unicode are text."""

_TO_QUOTE_OR_END = re.compile(r'[^"`}]*')
_TO_QUOTE = re.compile(r'[^"\\]*')
_BLANKS = re.compile(r"[ \t\r\n]*")
_WORD = re.compile(
    r"""(?P<sign>:=|[()|,=])|(?P<path>\$?[A-Za-z0-9_]*(?:\.[A-Za-z0-9_]+)+|\$[A-Za-z0-9_]*)"""
    r"""|(?P<name>[A-Za-z_][A-Za-z0-9_]*)|(?P<number>[+-]?[0-9]+(?:\.[0-9]+)?)|(?P<dot>\.)"""
)


class UntranslatableError(ValueError):
    """
    A template rkd cannot turn into Jinja; the text says which part, and why.

    Args:
        at: offset in the template, or -1 where nobody knows.
    """

    def __init__(self, message: str, at: int = -1) -> None:
        super().__init__(message)
        self.at = at


@dataclass(frozen=True, slots=True)
class Piece:
    """A text, trims applied, or the inside of an action, blanks around it gone."""

    text: str
    at: int
    is_action: bool


def pieces(source: str) -> list[Piece]:
    """
    Cut *source* into its pieces; comments and empty texts are gone.

    Raises:
        UntranslatableError: longer than `MAX_TEMPLATE_BYTES`, more than `MAX_PIECES`, or an
            action, string or comment that is never closed.
    """
    refuse_long(source)
    found: list[Piece] = []
    at, trim = 0, False
    while (opened := source.find("{{", at)) >= 0:
        trims_left = source.startswith("-", opened + 2) and _is_blank(source, opened + 3)
        inside, end, trim_next = _action(source, opened, opened + (3 if trims_left else 2))
        text = source[at:opened].lstrip(_SPACE) if trim else source[at:opened]
        _add_text(found, text.rstrip(_SPACE) if trims_left else text, at)
        if not inside.startswith("/*"):
            found.append(Piece(inside, opened, is_action=True))
        if len(found) > MAX_PIECES:
            raise UntranslatableError(f"more than {MAX_PIECES} pieces", opened)
        at, trim = end, trim_next
    _add_text(found, source[at:].lstrip(_SPACE) if trim else source[at:], at)
    return found


def refuse_long(source: str) -> None:
    """Raise UntranslatableError where *source* has more than `MAX_TEMPLATE_BYTES`."""
    if (
        len(source) > MAX_TEMPLATE_BYTES
        or len(source.encode(errors="surrogatepass")) > MAX_TEMPLATE_BYTES
    ):
        raise UntranslatableError(f"longer than {MAX_TEMPLATE_BYTES} bytes")


def words(text: str, at: int) -> list[str]:
    """
    Cut the inside of an action that starts at offset *at* of its template into words.

    Raises:
        UntranslatableError: a sign no word starts with.
    """
    found: list[str] = []
    here = _after_blanks(text, 0)
    while here < len(text):
        if text[here] in '"`':
            end = _string_end(text, here, at)
        else:
            match = _WORD.match(text, here)
            if match is None:
                raise UntranslatableError(f"cannot read '{excerpt(text[here : here + 64])}'", at)
            end = match.end()
        found.append(text[here:end])
        here = _after_blanks(text, end)
    return found


def _add_text(found: list[Piece], text: str, at: int) -> None:
    if text:
        found.append(Piece(text, at, is_action=False))


def _action(source: str, opened: int, at: int) -> tuple[str, int, bool]:
    """Read from *at* to the closing braces: what is inside, where it ends, whether it trims."""
    start = _after_blanks(source, at)
    end = start
    if source.startswith("/*", start):
        closed = source.find("*/", start + 2)
        end = _after_blanks(source, closed + 2)
        if closed < 0 or not source.startswith(("}}", "-}}"), end):
            raise UntranslatableError("unclosed comment", opened)
    while not source.startswith("}}", end):
        match = _TO_QUOTE_OR_END.match(source, end)
        end = match.end() if match else end
        if end >= len(source):
            raise UntranslatableError("unclosed action", opened)
        if source[end] in '"`':
            end = _string_end(source, end, 0)
        elif not source.startswith("}}", end):
            end += 1
    trims = source.startswith("-", end - 1) and end > start
    return source[start : end - trims].strip(_SPACE), end + 2, trims


def _string_end(text: str, opened: int, offset: int) -> int:
    """Return the offset behind the string opened at *opened*."""
    if text[opened] == "`":
        closed = text.find("`", opened + 1)
        if closed < 0:
            raise UntranslatableError("a string is never closed", offset + opened)
        return closed + 1
    at = opened + 1
    while True:
        match = _TO_QUOTE.match(text, at)
        at = match.end() if match else at
        if at >= len(text):
            raise UntranslatableError("a string is never closed", offset + opened)
        if text[at] == '"':
            return at + 1
        at += 2


def _is_blank(text: str, at: int) -> bool:
    return text[at : at + 1] in {" ", "\t", "\r", "\n"}


def _after_blanks(text: str, at: int) -> int:
    match = _BLANKS.match(text, at)
    return match.end() if match else at
