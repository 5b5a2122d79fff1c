"""
Read a Modelfile of either dialect.

`parse` refuses on the first error; `lint.py` reports all of them. What the commands ask for is
`Modelfile.recipe`'s to say.
"""

from __future__ import annotations

import codecs
from dataclasses import dataclass

from rkd.model import Recipe
from rkd.modelfile import env, recipe
from rkd.modelfile.commands import (
    MAX_BYTES,
    MAX_LINES,
    Command,
    Dialect,
    Places,
    Problem,
    ProblemSeverity,
    refuse,
)
from rkd.modelfile.scan import Scan
from rkd.modelfile.source import Source, classify


@dataclass(frozen=True, slots=True)
class Modelfile:
    """
    A Modelfile that could be read: at least one FROM, every command known, every value whole.

    Values keep every character; parameters are not judged before `recipe`.
    """

    commands: tuple[Command, ...]
    dialect: Dialect = Dialect.OLLAMA

    @property
    def sources(self) -> tuple[Source, ...]:
        """What the FROM commands name, in order; at least one."""
        return tuple(classify(text) for text in self.values("FROM"))

    def values(self, keyword: str) -> tuple[str, ...]:
        """Every value of *keyword*, in order."""
        return tuple(command.value for command in self.commands if command.keyword == keyword)

    def recipe(self) -> Recipe:
        """
        Return what the Modelfile asks for, parameters typed and checked.

        Raises:
            InvalidInputError: INVALID_MODELFILE, a violation for every bad parameter or template.
        """
        made, problems = recipe.build(self.commands, self.dialect)
        if any(problem.severity is ProblemSeverity.ERROR for problem in problems):
            raise refuse(problems)
        return made


def parse(text: str | bytes) -> Modelfile:
    """
    Read *text*; bytes are UTF-8, or UTF-16 with a byte order mark.

    Raises:
        InvalidInputError: INVALID_MODELFILE with violations `line L, column C`.
    """
    commands, problems, dialect = read(decode(text) if isinstance(text, bytes) else text)
    if problems:
        raise refuse(problems)
    return Modelfile(tuple(commands), dialect)


def read(text: str) -> tuple[list[Command], list[Problem], Dialect]:
    """Read *text* as far as possible; problems are in the order of their places."""
    text = text.removeprefix("\ufeff")
    unfit = _unfit(text)
    if unfit is not None:
        return [], [unfit], Dialect.OLLAMA
    if env.looks_like_env(text):
        dialect = Dialect.ENV
        commands, problems = env.read(text)
    else:
        dialect = Dialect.OLLAMA
        scan = Scan(text).run()
        commands, problems = scan.commands, scan.problems
    if not any(command.keyword == "FROM" and command.value.strip() for command in commands):
        # A FROM that could not be read is already complained about, with its own place.
        problems = problems or [Problem(*Places(text).of(len(text)), "no FROM line")]
    return commands, problems, dialect


def _unfit(text: str) -> Problem | None:
    """Judge *text* before anything reads it: its bounds, and signs no Modelfile may hold."""
    if len(text) > MAX_BYTES:
        return _too_long()
    if text.count("\n") + text.count("\r") > MAX_LINES:
        return Problem(1, 1, f"more than {MAX_LINES} lines")
    try:
        if len(text.encode()) > MAX_BYTES:
            return _too_long()
    except UnicodeEncodeError as trouble:
        where = Places(text).of(trouble.start)
        return Problem(*where, "half a character (a lone surrogate) is no text")
    if "\0" in text:
        return Problem(*Places(text).of(text.index("\0")), "NUL characters are not allowed")
    return None


def _too_long() -> Problem:
    return Problem(1, 1, f"longer than {MAX_BYTES} bytes")


def decode(data: bytes) -> str:
    """
    Turn the bytes of a Modelfile into text: UTF-8 with or without mark, UTF-16 with one.

    Raises:
        InvalidInputError: INVALID_MODELFILE: longer than `MAX_BYTES` (and UTF-16 of ASCII twice
            that), or the place of the first bad byte.
    """
    if len(data) > 2 * MAX_BYTES + 2:
        raise refuse([_too_long()])
    encoding = "utf-8-sig"
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        encoding = "utf-16"
    try:
        return data.decode(encoding)
    except UnicodeDecodeError as trouble:
        before = data[: trouble.start].decode(encoding, errors="replace")
        line, column = Places(before).of(len(before))
        message = f"not {encoding.removesuffix('-sig')} text: save the file as UTF-8"
        raise refuse([Problem(line, column, message)]) from trouble
