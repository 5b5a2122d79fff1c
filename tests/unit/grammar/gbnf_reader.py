"""Read the GBNF that `rkd.grammar` writes, and say which texts it makes: slow, independent."""

from __future__ import annotations

import re

_TOKEN = re.compile(r'"((?:[^"\\]|\\U[0-9A-F]{8})*)"|\[((?:[^\]\\]|\\U[0-9A-F]{8})*)\]|(\w+)|(\|)')
_SIGN = re.compile(r"\\U([0-9A-F]{8})|(.)", re.DOTALL)
_RANGE = re.compile(r"(\\U[0-9A-F]{8}|.)(?:-(\\U[0-9A-F]{8}|.))?", re.DOTALL)

Item = tuple[str, object]


def plain(text: str) -> str:
    """*text* without its escapes."""
    return _SIGN.sub(lambda found: chr(int(found[1], 16)) if found[1] else found[2], text)


class Grammar:
    """Rules without groups and repetitions, each beginning with a text where it is not empty."""

    def __init__(self, text: str) -> None:
        self._rules: dict[str, list[list[Item]]] = {}
        for line in text.splitlines():
            name, _, body = line.partition(" ::= ")
            self._rules[name] = [[]]
            for literal, signs, rule, bar in _TOKEN.findall(body):
                if bar:
                    self._rules[name].append([])
                elif rule:
                    self._rules[name][-1].append(("rule", rule))
                elif signs:
                    spans = [
                        (ord(plain(low)), ord(plain(high or low)))
                        for low, high in _RANGE.findall(signs)
                    ]
                    self._rules[name][-1].append(("class", spans))
                else:
                    self._rules[name][-1].append(("text", plain(literal)))

    def makes(self, text: str) -> bool:
        """Whether *text* is one of its texts."""
        return len(text) in self._ends("root", text, 0)

    def _ends(self, rule: str, text: str, at: int) -> set[int]:
        found: set[int] = set()
        for items in self._rules[rule]:
            here = {at}
            for kind, what in items:
                here = {end for place in here for end in self._after(kind, what, text, place)}
            found |= here
        return found

    def _after(self, kind: str, what: object, text: str, at: int) -> set[int]:
        if kind == "rule":
            return self._ends(str(what), text, at)
        if kind == "text":
            return {at + len(str(what))} if text.startswith(str(what), at) else set()
        assert isinstance(what, list)
        fits = at < len(text) and any(low <= ord(text[at]) <= high for low, high in what)
        return {at + 1} if fits else set()
