"""What a schema says of a text, as a terminal of a Lark grammar; pure."""

from __future__ import annotations

import json
import re
from itertools import pairwise
from typing import Any

from rkd.backend.schema.keywords import Node
from rkd.backend.schema.patterns import NARROW_FORMATS
from rkd.backend.text.calls.kinds import followed, kinds_of

ANY_TEXT = "/(?s:.*)/"
_WORDS = {"type", "const", "enum", "anyOf", "allOf", "pattern", "format", "minLength", "maxLength"}
_PIECE = re.compile(r"\\.|\[\^?\]?(?:\\.|[^\]\\])*\]|\(\?:|.", re.DOTALL)


class UnsaidError(Exception):
    """The schema cannot be said so."""


def lark_string(text: str) -> str:
    """*text* as a string of Lark."""
    return json.dumps(text, ensure_ascii=False)


class Terminals:
    """
    Terminals by their expressions.

    Args:
        root: where `$ref`s lead.
    """

    def __init__(self, root: Node) -> None:
        self._root = root
        self._names: dict[str, str] = {}

    @property
    def lines(self) -> list[str]:
        """Their definitions."""
        return [f"{name}: {body}" for body, name in self._names.items()]

    def named(self, expression: str) -> str:
        """The name of a terminal of *expression*."""
        return self._names.setdefault(expression, f"T{len(self._names)}")

    def of(self, schema: Any, depth: int = 0) -> str:
        """
        Write the texts that *schema* allows; what else it allows is left out.

        Raises:
            UnsaidError: there are none, or no expression can say which.
        """
        node = followed(schema, self._root)
        if node.keys() - _WORDS or depth > len(_WORDS):
            raise UnsaidError
        kinds = kinds_of({"type": node.get("type")}, node)
        if kinds and "string" not in kinds:
            raise UnsaidError
        found = [*self._listed(node), *self._branches(node, depth)]
        if "pattern" in node:
            found.append(expression_of(node["pattern"]))
        if "format" in node:
            if node["format"] not in NARROW_FORMATS:
                raise UnsaidError
            found.append(f"/{NARROW_FORMATS[node['format']]}/")
        if "minLength" in node or "maxLength" in node:
            bounds = f"{int(node.get('minLength', 0))},{node.get('maxLength', '')}"
            found.append(f"/(?s:.{{{bounds}}})/")
        return " & ".join(f"({one})" for one in found) if found else ANY_TEXT

    def _listed(self, node: Node) -> list[str]:
        if "const" not in node and "enum" not in node:
            return []
        listed = [node["const"]] if "const" in node else node["enum"]
        texts = [lark_string(one) for one in listed if isinstance(one, str)]
        if not texts:
            raise UnsaidError
        return [" | ".join(texts)]

    def _branches(self, node: Node, depth: int) -> list[str]:
        every = [self.of(one, depth + 1) for one in node.get("allOf", ())]
        some: list[str] = []
        for branch in node.get("anyOf", ()):
            kinds = kinds_of(branch, self._root)
            if not kinds or "string" in kinds:
                some.append(self.of(branch, depth + 1))
        if "anyOf" in node and not some:
            raise UnsaidError
        return every + ([" | ".join(f"({one})" for one in some)] if some else [])


def expression_of(pattern: str) -> str:
    """
    Write a regular expression of JSON Schema, which may match anywhere, as one that matches all.

    Raises:
        UnsaidError: it is anchored elsewhere than at its ends.
    """
    branches: list[list[str]] = [[]]
    depth = 0
    for found in _PIECE.finditer(pattern):
        piece = found[0]
        depth += piece.startswith("(") - (piece == ")")
        if piece == "|" and not depth:
            branches.append([])
        else:
            branches[-1].append(piece)
    return " | ".join(map(_anchored, branches))


def _anchored(pieces: list[str]) -> str:
    before = after = "(?s:.*)"
    if pieces[:1] == ["^"]:
        before, pieces = "", pieces[1:]
    if pieces[-1:] == ["$"]:
        after, pieces = "", pieces[:-1]
    flagged = any(pair == ("(", "?") for pair in pairwise(pieces))
    if flagged or {"^", "$", r"\b", r"\B"} & set(pieces):
        raise UnsaidError
    written = [{"/": r"\/", "\n": r"\n"}.get(one, one) for one in pieces]
    text = "".join(one.replace("/", r"\/") if one.startswith("[") else one for one in written)
    return f"/{before}({text}){after}/"
