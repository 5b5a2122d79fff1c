"""
Cut text of the Ollama dialect into commands, reporting every problem with its place.

The grammar is the one Ollama's parser implements, not the one its manual gives: a value ends at
the first line end where it is closed, so plain quotes span lines too, `#` opens a comment only as
the first sign of a line, and nothing is escaped. It differs in three places, each towards saying
what is wrong: text behind a closing quote, an empty bare value, and line counts of CR LF files.
Whether a parameter exists and has a sensible value is `parameters.py`'s to say.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from rkd.modelfile.commands import (
    CLEARABLE,
    KEYWORDS,
    MAX_COMMANDS,
    MAX_PROBLEMS,
    ROLES,
    Command,
    Places,
    Problem,
)
from rkd.modelfile.excerpt import excerpt
from rkd.modelfile.suggest import did_you_mean

_BETWEEN = re.compile("[ \\t\\r\\n\\v\\f\u00a0\u200b-\u200d\ufeff]*")
"""Nothing between commands; the invisible ones come with text copied from web pages."""
_WORD = re.compile(r"[^ \t\r\n]*")
_BLANKS = re.compile(r"[ \t]*")
_LINE = re.compile(r"[^\r\n]*")
_KEYWORD = re.compile(r"[A-Za-z_]+")
_NAME = re.compile(r"[A-Za-z0-9_]+")
_TRIPLE = '"""'

_ONE_OF_KEYWORDS = (
    "command must be one of "
    + ", ".join(f'"{keyword.lower()}"' for keyword in KEYWORDS[:-1])
    + f', or "{KEYWORDS[-1].lower()}"'
)
_ONE_OF_ROLES = 'message role must be one of "system", "user", or "assistant"'


class _Unreadable(Exception):  # noqa: N818 - control flow of this file, never seen outside
    """The command at hand cannot be read; carries where, why and where to go on."""

    def __init__(self, at: int, message: str, resume: int) -> None:
        super().__init__(message)
        self.at = at
        self.message = message
        self.resume = resume


@dataclass(slots=True)
class Scan:
    """One pass over *text*; `run` fills commands and problems."""

    text: str
    commands: list[Command] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    _places: Places = field(init=False)

    def __post_init__(self) -> None:
        self._places = Places(self.text)

    def run(self) -> Scan:
        """
        Read the whole text, going on after each problem; returns itself.

        `MAX_PROBLEMS` and `MAX_COMMANDS` end it: what stands behind is not read.
        """
        at = self._between(0)
        while at < len(self.text) and len(self.problems) < MAX_PROBLEMS:
            if len(self.commands) == MAX_COMMANDS:
                self.problems.append(
                    Problem(*self._places.of(at), f"more than {MAX_COMMANDS} commands")
                )
                break
            try:
                at = self._command(at)
            except _Unreadable as trouble:
                self.problems.append(Problem(*self._places.of(trouble.at), trouble.message))
                at = trouble.resume
            at = self._between(at)
        return self

    def _between(self, at: int) -> int:
        """Go past blanks, empty lines and comments, a step for each comment."""
        while True:
            found = _BETWEEN.match(self.text, at)
            at = found.end() if found else at
            if not self.text.startswith("#", at):
                return at
            at = self._line_end(at)

    def _line_end(self, at: int) -> int:
        found = _LINE.match(self.text, at)
        return found.end() if found else at

    def _after_blanks(self, at: int) -> int:
        found = _BLANKS.match(self.text, at)
        return found.end() if found else at

    def _word(self, at: int) -> str:
        found = _WORD.match(self.text, at)
        return found.group() if found else ""

    def _command(self, at: int) -> int:
        word = self._word(at)
        keyword = word.upper()
        if keyword not in KEYWORDS:
            raise _Unreadable(at, _unknown_command(word), self._after_unknown(at + len(word)))
        start = self._after_blanks(at + len(word))
        name = ""
        if keyword in {"PARAMETER", "MESSAGE"}:
            name_at = start
            name, start = self._name(keyword, name_at)
        else:
            name_at = start
        if start == self._line_end(start):
            what = f"{keyword} {excerpt(name)}".rstrip()
            raise _Unreadable(
                at, f'unexpected EOF: {what} needs a value ("" says an empty one)', start
            )
        value, end = self._value(start)
        if keyword == "UNSET":
            name, value = self._cleared(start, value, end)
        elif keyword == "FROM" and not value.strip():
            raise _Unreadable(start, "FROM names nothing", end)
        if keyword == "MESSAGE" and name not in ROLES:
            raise _Unreadable(name_at, f"'{excerpt(name)}': {_ONE_OF_ROLES}", end)
        line, column = self._places.of(at)
        self.commands.append(Command(keyword, value, name, line, column, *self._places.of(start)))
        return end

    def _name(self, keyword: str, at: int) -> tuple[str, int]:
        """Read a parameter key or a role and the blanks behind it."""
        word = self._word(at)
        kind = "parameter name" if keyword == "PARAMETER" else "message role"
        if not word:
            raise _Unreadable(at, f"unexpected EOF: {keyword} needs a {kind}", self._line_end(at))
        found = _NAME.match(word)
        if found is None or found.end() != len(word):
            bad = found.end() if found else 0
            hint = did_you_mean(word) if keyword == "PARAMETER" else ""
            message = f"invalid character '{excerpt(word[bad])}' in {kind}{hint}"
            raise _Unreadable(at + bad, message, self._after_unknown(at + len(word)))
        return word, self._after_blanks(at + len(word))

    def _cleared(self, at: int, value: str, end: int) -> tuple[str, str]:
        """Check what UNSET names; returns it in upper case, and the key of a PARAMETER."""
        what, _, key = value.partition(" ")
        key = key.strip()
        target = what.upper()
        if target == "PARAMETER" and _NAME.fullmatch(key):
            return target, key
        if target not in CLEARABLE or target == "PARAMETER" or key:
            one_of = ", ".join(CLEARABLE[:-1])
            raise _Unreadable(at, f"UNSET takes one of {one_of}, or PARAMETER and a key", end)
        return target, ""

    def _after_unknown(self, at: int) -> int:
        """Go past a line nobody understands, and past the block it may open."""
        start = self._after_blanks(at)
        try:
            return self._value(start)[1]
        except _Unreadable as trouble:
            return trouble.resume

    def _value(self, start: int) -> tuple[str, int]:
        """Read a value that starts at *start*; returns it and the offset of its line's end."""
        text = self.text
        quote = _TRIPLE if text.startswith(_TRIPLE, start) else '"'
        if not text.startswith('"', start):
            end = self._line_end(start)
            return text[start:end].rstrip(" \t"), end
        width = len(quote)
        line_start = start + width
        while True:
            end = self._line_end(line_start)
            last = end
            while last > line_start and text[last - 1] in " \t":
                last -= 1
            # The length test keeps one quote from being both the opening and the closing one.
            if last - start >= 2 * width and text.endswith(quote, start + width, last):
                return text[start + width : last - width], end
            inner = text.find(quote, line_start, last)
            if inner >= 0:
                raise _Unreadable(
                    inner + width,
                    f"text after the closing {quote}"
                    + ("" if width > 1 else ' (a value with quotes in it goes into """…""")'),
                    end,
                )
            if end == len(text):
                raise _Unreadable(start, f"unexpected EOF: {quote} is never closed", end)
            line_start = end + (2 if text.startswith("\r\n", end) else 1)


def _unknown_command(word: str) -> str:
    """Say that *word* is no command, and what was perhaps meant."""
    keyword = _KEYWORD.match(word)
    hint = ""
    if keyword and word[keyword.end() :].startswith("="):
        hint = f" (write `{excerpt(keyword.group())} value`, without `=`)"
    elif keyword:
        hint = did_you_mean(word.upper(), KEYWORDS)
    return f"unknown command '{excerpt(word)}'{hint}: {_ONE_OF_KEYWORDS}"
