"""
Read a Go text/template into a tree: only the parts chat templates of Ollama's kind use.

`gotemplate.py` writes the tree as Jinja. What is not understood is refused by name, never guessed.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

MAX_DEPTH = 40
"""Blocks or parentheses inside one another; the deepest template of Ollama's library has 6."""


class UntranslatableError(ValueError):
    """A template rkd cannot turn into Jinja; the text says which part, and why."""


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
    """`{{ expression }}`."""

    expression: Expression


@dataclass(frozen=True, slots=True)
class Assign:
    """`{{ $x := expression }}` and `{{ $x = expression }}`, which chat templates use alike."""

    name: str
    expression: Expression


@dataclass(frozen=True, slots=True)
class Branch:
    """`if` or `with`: the condition, its body, and what else."""

    condition: Expression
    body: tuple[Node, ...]
    otherwise: tuple[Node, ...]
    sets_dot: bool = False


@dataclass(frozen=True, slots=True)
class Loop:
    """`range $index, $item := expression`; names may be empty."""

    index: str
    item: str
    expression: Expression
    body: tuple[Node, ...]
    otherwise: tuple[Node, ...]


Node = Text | Output | Assign | Branch | Loop

_ACTION = re.compile(
    r"""\{\{(?P<left>-(?=\s))?\s*(?P<inside>/\*.*?\*/|(?:"(?:[^"\\]|\\.)*"|`[^`]*`|(?!\}\}|-\}\}).)*?)"""
    r"""(?P<right>(?<=\s)-|(?<=\*/)-|-(?=\}\}))?\}\}""",
    re.DOTALL,
)
_TOKEN = re.compile(
    r"""\s*(?P<word>"(?:[^"\\]|\\.)*"|`[^`]*`|:=|[()|,=]|\$?[A-Za-z0-9_]*(?:\.[A-Za-z0-9_]+)+"""
    r"""|\$[A-Za-z0-9_]*|[A-Za-z_][A-Za-z0-9_]*|[+-]?[0-9]+(?:\.[0-9]+)?|\.)"""
)
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", '"': '"', "\\": "\\", "'": "'"}
_REFUSED = frozenset({"template", "define", "block", "break", "continue"})


def parse(source: str) -> tuple[Node, ...]:
    """
    Read *source*.

    Raises:
        UntranslatableError: unclosed action or block, or a construct outside the common kind.
    """
    reader = _Reader(_pieces(source))
    nodes, ended_by = reader.nodes(0)
    if ended_by:
        raise UntranslatableError(f"unexpected {{{{ {ended_by} }}}}")
    return nodes


def _pieces(source: str) -> list[tuple[bool, str]]:
    """Cut into (is an action, text), trims applied, comments gone."""
    pieces: list[tuple[bool, str]] = []
    at = 0
    trim = False
    for action in _ACTION.finditer(source):
        text = source[at : action.start()]
        text = text.lstrip() if trim else text
        pieces.append((False, text.rstrip() if action["left"] else text))
        inside = action["inside"].strip()
        if not inside.startswith("/*"):
            pieces.append((True, inside))
        trim = bool(action["right"])
        at = action.end()
    text = source[at:]
    if "{{" in text:
        raise UntranslatableError("unclosed action")
    pieces.append((False, text.lstrip() if trim else text))
    return [piece for piece in pieces if piece[0] or piece[1]]


class _Reader:
    """Walks the pieces; `nodes` reads up to the end of one block."""

    def __init__(self, pieces: list[tuple[bool, str]]) -> None:
        self._pieces = pieces
        self._at = 0

    def nodes(self, depth: int) -> tuple[tuple[Node, ...], str]:
        """Read until `end`, `else …` or the end of all; returns what it was."""
        if depth > MAX_DEPTH:
            raise UntranslatableError(f"blocks nested deeper than {MAX_DEPTH}")
        found: list[Node] = []
        while self._at < len(self._pieces):
            is_action, text = self._pieces[self._at]
            self._at += 1
            if not is_action:
                found.append(Text(text))
                continue
            word = text.split(None, 1)[0] if text else ""
            if word in {"end", "else"}:
                return tuple(found), text
            found.append(self._action(word, text, depth))
        if depth:
            raise UntranslatableError("unexpected EOF: a block is never closed with {{ end }}")
        return tuple(found), ""

    def _action(self, word: str, text: str, depth: int) -> Node:
        if word in _REFUSED:
            raise UntranslatableError(f"{{{{ {word} }}}} is not supported")
        if word in {"if", "with"}:
            return self._branch(text[len(word) :], depth, sets_dot=word == "with")
        if word == "range":
            return self._loop(text[len(word) :], depth)
        tokens = _tokens(text)
        if len(tokens) > 1 and tokens[0].startswith("$") and tokens[1] in {":=", "="}:
            return Assign(tokens[0], _expression(tokens[2:]))
        return Output(_expression(tokens))

    def _branch(self, condition: str, depth: int, *, sets_dot: bool) -> Branch:
        expression = _expression(_tokens(condition))
        body, ended_by = self.nodes(depth + 1)
        return Branch(expression, body, self._otherwise(ended_by, depth), sets_dot)

    def _otherwise(self, ended_by: str, depth: int) -> tuple[Node, ...]:
        """Read what follows an `else`, to the `end` of the whole."""
        words = ended_by.split(None, 2)
        if words[0] == "end":
            return ()
        if len(words) > 1:
            if words[1] != "if" or len(words) < 3:  # noqa: PLR2004 - else, if, condition
                raise UntranslatableError(f"{{{{ {ended_by} }}}} is not supported")
            return (self._branch(words[2], depth + 1, sets_dot=False),)
        nodes, ended_by = self.nodes(depth + 1)
        if ended_by != "end":
            raise UntranslatableError(f"unexpected {{{{ {ended_by} }}}}")
        return nodes

    def _loop(self, header: str, depth: int) -> Loop:
        tokens = _tokens(header)
        names: list[str] = []
        if ":=" in tokens:
            cut = tokens.index(":=")
            names = [word for word in tokens[:cut] if word != ","]
            tokens = tokens[cut + 1 :]
        if len(names) > 2 or not all(name.startswith("$") for name in names):  # noqa: PLR2004 - index and item
            raise UntranslatableError(f"range {header.strip()[:60]!r}")
        index = names[0] if len(names) > 1 else ""
        item = names[-1] if names else ""
        expression = _expression(tokens)
        body, ended_by = self.nodes(depth + 1)
        return Loop(index, item, expression, body, self._otherwise(ended_by, depth))


def _tokens(text: str) -> list[str]:
    tokens: list[str] = []
    at = 0
    text = text.rstrip()
    while at < len(text):
        found = _TOKEN.match(text, at)
        if found is None:
            raise UntranslatableError(f"cannot read {text[at : at + 40].strip()!r}")
        tokens.append(found["word"])
        at = found.end()
    return tokens


def _expression(tokens: list[str], depth: int = 0) -> Expression:
    """Read a pipeline: each command's result is the last argument of the next."""
    if depth > MAX_DEPTH:
        raise UntranslatableError(f"parentheses nested deeper than {MAX_DEPTH}")
    commands = _split(tokens)
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
            raise UntranslatableError(f"{command[0]!r} takes no arguments")
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
        return Literal(re.sub(r"\\(.)", _escape, word[1:-1], flags=re.DOTALL))
    if word in {"true", "false"} or re.fullmatch(r"[+-]?[0-9.]*[0-9]", word):
        return Literal(word, is_text=False)
    if word == "nil":
        return Literal("none", is_text=False)
    if word.startswith((".", "$")):
        root, *fields = word.split(".")
        return Path(root, tuple(field for field in fields if field))
    if re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", word):
        return Call(word, ())
    raise UntranslatableError(f"cannot read {word!r}")


def _escape(found: re.Match[str]) -> str:
    sign = found.group(1)
    if sign not in _ESCAPES:
        raise UntranslatableError(f"escape \\{sign} in a string")
    return _ESCAPES[sign]
