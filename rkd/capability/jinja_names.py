"""
Which variables a Jinja text reads, without compiling or running a letter of it; pure.

The daemon looks at templates of strangers: one pass over the text, no tree and no recursion.
It says a little too much rather than too little: scopes are not followed.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator

_OPEN = re.compile(r"\{([{%#])")
_RAW_END = re.compile(r"\{%[-+]?\s*endraw\b")
_TOKEN = re.compile(
    r"""(?P<text>'(?:[^'\\]|\\.)*(?:'|\\?\Z)|"(?:[^"\\]|\\.)*(?:"|\\?\Z))|(?P<name>[^\W\d]\w*)|(?P<number>\d[\w.]*)"""
    r"|(?P<operator>==|!=|<=|>=|//|\*\*|%\}|[^\w\s])",
    re.DOTALL,
)
_WORDS = frozenset(
    {"if", "elif", "else", "endif", "for", "endfor", "in", "is", "not", "and", "or", "set"}
    | {"endset", "macro", "endmacro", "call", "endcall", "filter", "endfilter", "raw", "with"}
    | {"endwith", "block", "endblock", "break", "continue", "do", "generation", "endgeneration"}
    | {"true", "false", "none", "True", "False", "None", "recursive", "without", "context"}
    | {"include", "import", "from", "as", "extends", "ignore", "missing", "scoped", "required"}
)
_SCOPES = frozenset({"if", "for", "macro", "call", "filter", "block", "with"})
"""What is given a value inside holds no longer than they; of a branch nobody knows."""
_BRANCHES = frozenset({"else", "elif"})


def names_read(source: str) -> frozenset[str]:
    """The names *source* reads where nothing around or before has given them a value."""
    scopes: list[set[str]] = [set()]
    bound: Counter[str] = Counter()
    read: set[str] = set()
    for tokens in _codes(source):
        head = tokens[0] if tokens else ""
        if (head.startswith("end") or head in _BRANCHES) and len(scopes) > 1:
            bound.subtract(scopes.pop())
        reads, binds, inner = _statement(head, tokens)
        read.update(name for name in reads if not bound[name])
        bound.update(binds - scopes[-1])
        scopes[-1] |= binds
        if head in _SCOPES or head in _BRANCHES:
            bound.update(inner)
            scopes.append(inner)
    return frozenset(read)


def _codes(source: str) -> Iterator[list[str]]:
    """The tokens of each `{{ }}` and `{% %}`, in order; comments and raw text are left out."""
    at = 0
    while found := _OPEN.search(source, at):
        if found[1] == "#":
            end = source.find("#}", found.end())
            at = len(source) if end < 0 else end + 2
            continue
        tokens, at = _code(source, found.end(), "%" if found[1] == "%" else "}")
        if found[1] == "%" and tokens[:1] == ["raw"]:
            closed = _RAW_END.search(source, at)
            at = len(source) if closed is None else closed.end()
            continue
        yield tokens


def _code(source: str, at: int, close: str) -> tuple[list[str], int]:
    """The tokens of one piece of code that begins at *at*, and where it ends."""
    tokens: list[str] = []
    depth = 0
    while found := _TOKEN.search(source, at):
        piece, at = found[0], found.end()
        if close == "%" and piece == "%}":
            return tokens, at
        if close == "}" and piece == "}" and not depth and source.startswith("}", at):
            return tokens, at + 1
        depth += (piece == "{") - (piece == "}" and depth > 0)
        if tokens or piece not in {"-", "+"}:
            tokens.append('""' if found["text"] else piece)
    return tokens, len(source)


def _statement(head: str, tokens: list[str]) -> tuple[set[str], set[str], set[str]]:
    """What one piece of code reads, what it gives a value from here on, and what inside it."""
    if head == "for" and "in" in tokens:
        at = tokens.index("in")
        targets = _names(tokens[1:at])
        return _names(tokens[at + 1 :]) - targets, set(), {*targets, "loop"}
    if head == "set":
        at = tokens.index("=") if "=" in tokens else len(tokens)
        return _names(tokens[at + 1 :]), _names(tokens[1:at]), set()
    if head in {"macro", "call"}:
        return set(), _names(tokens[1:2]), _names(tokens[2:])
    return _names(tokens), set(), set()


def _names(tokens: list[str]) -> set[str]:
    """The names among *tokens* that stand for variables."""
    found: set[str] = set()
    for at, piece in enumerate(tokens):
        if not piece.isidentifier() or piece in _WORDS:
            continue
        before, earlier = tokens[max(at - 2, 0) : at][-1:], tokens[max(at - 2, 0) : max(at - 1, 0)]
        test = before == ["is"] or (before == ["not"] and earlier == ["is"])
        keyword = tokens[at + 1 : at + 2] == ["="] and before in (["("], [","])
        if not test and not keyword and before not in (["."], ["|"]):
            found.add(piece)
    return found
