"""
Read a Go text/template into a tree: only the parts chat templates of Ollama's kind use.

`gotemplate.py` writes the tree as Jinja. What is not understood is refused by name, never guessed.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from rkd.modelfile.excerpt import excerpt
from rkd.modelfile.goscan import Piece, UntranslatableError, pieces, words

MAX_DEPTH = 40
"""Blocks, or parentheses and pipes, inside one another; Ollama's deepest template has 6."""
MAX_LOOPS = 12
"""Ranges inside one another: Python ends at 20 nested loops, and Jinja's output is Python."""


@dataclass(frozen=True, slots=True)
class Text:
    """Plain text between actions, already trimmed."""

    text: str


@dataclass(frozen=True, slots=True)
class Call:
    """A function with its arguments: `eq .Role "user"`."""

    function: str
    arguments: tuple[Expression, ...]


@dataclass(frozen=True, slots=True)
class Path:
    """`.A.B` (root is empty), `$.A` (root is `$`), `$x.A` (root is `$x`); no fields is the root."""

    root: str
    fields: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Literal:
    """A string, number or truth value; source is Jinja already for the latter two."""

    value: str
    is_text: bool = True


Expression = Call | Path | Literal


@dataclass(frozen=True, slots=True)
class Output:
    """`{{ expression }}`; *at*, here and below, is the offset of the action in the template."""

    expression: Expression
    at: int = -1


@dataclass(frozen=True, slots=True)
class Assign:
    """`{{ $x := expression }}` and `{{ $x = expression }}`, which chat templates use alike."""

    name: str
    expression: Expression
    at: int = -1


@dataclass(frozen=True, slots=True)
class Branch:
    """`if` or `with`: the condition, its body, and what else."""

    condition: Expression
    body: tuple[Node, ...]
    otherwise: tuple[Node, ...]
    sets_dot: bool = False
    at: int = -1


@dataclass(frozen=True, slots=True)
class Loop:
    """`range $index, $item := expression`; names may be empty."""

    index: str
    item: str
    expression: Expression
    body: tuple[Node, ...]
    otherwise: tuple[Node, ...]
    at: int = -1


Node = Text | Output | Assign | Branch | Loop

_VARIABLE = re.compile(r"\$[A-Za-z_]\w*", re.ASCII)
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_NUMBER = re.compile(r"[+-]?(?:0|[1-9][0-9]{0,17})(?:\.[0-9]{1,18})?")
"""Numbers Go, Jinja and Python read alike: 010 is eight to the first and nothing to the second."""
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", '"': '"', "\\": "\\", "'": "'"}
_REFUSED = frozenset({"template", "define", "block", "break", "continue"})


def parse(source: str) -> tuple[Node, ...]:
    """
    Read *source*.

    Raises:
        UntranslatableError: a bound is broken, an action or block is not closed, or a construct is
            outside the common kind.
    """
    reader = _Reader(pieces(source))
    nodes, ended_by = reader.nodes(0)
    if ended_by is not None:
        raise _unexpected(ended_by)
    return nodes


def _unexpected(piece: Piece) -> UntranslatableError:
    return UntranslatableError(f"unexpected {{{{ {excerpt(piece.text)} }}}}", piece.at)


def _unsupported(piece: Piece) -> UntranslatableError:
    return UntranslatableError(f"{{{{ {excerpt(piece.text)} }}}} is not supported", piece.at)


class _Reader:
    """Walks the pieces; `nodes` reads up to the end of one block."""

    def __init__(self, found: list[Piece]) -> None:
        self._pieces = found
        self._at = 0
        self._loops = 0

    def nodes(self, depth: int) -> tuple[tuple[Node, ...], Piece | None]:
        """Read until `end`, `else …` or the end of all; returns what it was."""
        found: list[Node] = []
        while self._at < len(self._pieces):
            piece = self._pieces[self._at]
            self._at += 1
            if not piece.is_action:
                found.append(Text(piece.text))
                continue
            if depth > MAX_DEPTH:
                raise UntranslatableError(f"blocks nested deeper than {MAX_DEPTH}", piece.at)
            word = _first_word(piece.text)
            if word == "end" and piece.text != "end":
                raise _unsupported(piece)
            if word in {"end", "else"}:
                return tuple(found), piece
            found.append(self._action(word, piece, depth))
        if depth:
            raise UntranslatableError("unexpected EOF: a block is never closed with {{ end }}")
        return tuple(found), None

    def _action(self, word: str, piece: Piece, depth: int) -> Node:
        if word in _REFUSED:
            raise UntranslatableError(f"{{{{ {word} }}}} is not supported", piece.at)
        if word in {"if", "with"}:
            condition = _read(words(piece.text[len(word) :], piece.at), piece.at)
            return self._branch(condition, piece.at, depth, sets_dot=word == "with")
        if word == "range":
            return self._loop(piece, depth)
        tokens = words(piece.text, piece.at)
        if len(tokens) > 1 and _VARIABLE.fullmatch(tokens[0]) and tokens[1] in {":=", "="}:
            return Assign(tokens[0], _read(tokens[2:], piece.at), piece.at)
        return Output(_read(tokens, piece.at), piece.at)

    def _branch(self, condition: Expression, at: int, depth: int, *, sets_dot: bool) -> Branch:
        body, ended_by = self.nodes(depth + 1)
        return Branch(condition, body, self._otherwise(ended_by, depth), sets_dot, at)

    def _otherwise(self, ended_by: Piece | None, depth: int) -> tuple[Node, ...]:
        """Read what follows an `else`, to the `end` of the whole."""
        if ended_by is None or _first_word(ended_by.text) == "end":
            return ()
        rest = ended_by.text.removeprefix("else").lstrip()
        if rest:
            if _first_word(rest) != "if" or rest == "if":
                raise _unsupported(ended_by)
            condition = _read(words(rest.removeprefix("if"), ended_by.at), ended_by.at)
            return (self._branch(condition, ended_by.at, depth + 1, sets_dot=False),)
        nodes, ended_by = self.nodes(depth + 1)
        if ended_by is not None and ended_by.text != "end":
            raise _unexpected(ended_by)
        return nodes

    def _loop(self, piece: Piece, depth: int) -> Loop:
        self._loops += 1
        if self._loops > MAX_LOOPS:
            raise UntranslatableError(f"ranges nested deeper than {MAX_LOOPS}", piece.at)
        header = piece.text.removeprefix("range")
        tokens = words(header, piece.at)
        names: list[str] = []
        if ":=" in tokens:
            cut = tokens.index(":=")
            names = [word for word in tokens[:cut] if word != ","]
            tokens = tokens[cut + 1 :]
        if len(names) > 2 or not all(map(_VARIABLE.fullmatch, names)):  # noqa: PLR2004 - index and item
            raise UntranslatableError(f"range '{excerpt(header.strip())}'", piece.at)
        index = names[0] if len(names) > 1 else ""
        item = names[-1] if names else ""
        expression = _read(tokens, piece.at)
        body, ended_by = self.nodes(depth + 1)
        self._loops -= 1
        return Loop(index, item, expression, body, self._otherwise(ended_by, depth), piece.at)


def _first_word(text: str) -> str:
    found = _NAME.match(text)
    return found.group() if found else ""


def _read(tokens: list[str], at: int) -> Expression:
    """Read an expression of the action at offset *at*."""
    try:
        return _expression(tokens, 0)
    except UntranslatableError as trouble:
        raise UntranslatableError(str(trouble), at) from trouble


def _expression(tokens: list[str], depth: int) -> Expression:
    """Read a pipeline: each command's result is the last argument of the next, so one deeper."""
    commands = _split(tokens)
    # Jinja's `a and b and c` is a tree as deep as it is long.
    depth += len(commands) - 1 + max(map(_chained, commands))
    if depth > MAX_DEPTH:
        raise UntranslatableError(
            f"parentheses, pipes or conditions nested deeper than {MAX_DEPTH}"
        )
    value: Expression | None = None
    for command in commands:
        operands = _operands(command, depth)
        if not operands:
            raise UntranslatableError("an empty expression")
        head = operands[0]
        rest = operands[1:] + ([] if value is None else [value])
        if isinstance(head, Call) and not head.arguments and command[0] != "(":
            value = Call(head.function, tuple(rest))
        elif rest:
            raise UntranslatableError(f"'{excerpt(command[0])}' takes no arguments")
        else:
            value = head
    if value is None:
        raise UntranslatableError("an empty expression")
    return value


def _split(tokens: list[str]) -> list[list[str]]:
    """Split at the pipes outside parentheses."""
    commands: list[list[str]] = [[]]
    level = 0
    for word in tokens:
        level += (word == "(") - (word == ")")
        if word == "|" and level == 0:
            commands.append([])
        else:
            commands[-1].append(word)
    return commands


def _chained(command: list[str]) -> int:
    """Count how much deeper than its arguments the tree of a long `and` or `or` gets."""
    if not command or command[0] not in {"and", "or"}:
        return 0
    level = operands = 0
    for word in command[1:]:
        operands += level == 0
        level += (word == "(") - (word == ")")
    return max(0, operands - 2)


def _operands(tokens: list[str], depth: int) -> list[Expression]:
    operands: list[Expression] = []
    at = 0
    while at < len(tokens):
        word = tokens[at]
        at += 1
        if word == "(":
            close = _closing(tokens, at)
            operands.append(_expression(tokens[at:close], depth + 1))
            at = close + 1
        else:
            operands.append(_operand(word))
    return operands


def _closing(tokens: list[str], at: int) -> int:
    level = 1
    for index in range(at, len(tokens)):
        level += (tokens[index] == "(") - (tokens[index] == ")")
        if level == 0:
            return index
    raise UntranslatableError("a parenthesis is never closed")


def _operand(word: str) -> Expression:
    if word.startswith("`"):
        return Literal(word[1:-1])
    if word.startswith('"'):
        return Literal(_ESCAPE.sub(_meaning, word[1:-1]))
    if word in {"true", "false"} or _NUMBER.fullmatch(word):
        return Literal(word, is_text=False)
    if word == "nil":
        return Literal("none", is_text=False)
    if word.startswith((".", "$")):
        root, *fields = word.split(".")
        return Path(root, tuple(field for field in fields if field))
    if _NAME.fullmatch(word):
        return Call(word, ())
    raise UntranslatableError(f"cannot read '{excerpt(word)}'")


def _meaning(found: re.Match[str]) -> str:
    sign = found.group(1)
    if sign not in _ESCAPES:
        raise UntranslatableError(f"escape \\{excerpt(sign)} in a string")
    return _ESCAPES[sign]
