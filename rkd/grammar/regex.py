r"""
Regular expressions an answer may be held to, read into a tree; pure.

The dialect is what Python, ECMAScript and RE2 agree on: characters, `.` (all but a line break),
classes with ranges and `\d \w \s \D \W \S` (of ASCII), groups, `|`, `* + ? {n} {n,} {n,m}`. The
whole answer matches, so `^` and `$` may stand at the two ends and mean nothing, and laziness means
nothing either. What looks around, looks back or means different things in the three is refused
with its place.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

MAX_REGEX_BYTES = 4096
MAX_DEPTH = 64
"""Of groups."""
MAX_COUNT = 1000
"""Of one `{n,m}`."""
MAX_POSITIONS = 4096
"""Characters and classes when every `{n,m}` is written out: a plain text may be as long."""

Ranges = tuple[tuple[int, int], ...]
"""Code points, in order, apart from each other, both ends in."""


class PatternError(ValueError):
    """
    It is no expression of this dialect.

    Args:
        at: of which character, from 0.
        what: why, for people.
    """

    def __init__(self, at: int, what: str) -> None:
        super().__init__(f"at character {at + 1}: {what}")
        self.at = at


@dataclass(frozen=True, slots=True)
class Chars:
    """One character of these."""

    ranges: Ranges


@dataclass(frozen=True, slots=True)
class Sequence:
    """One after the other."""

    parts: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Either:
    """One of them."""

    options: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Repeat:
    """*part* so many times; *most* is None for any number."""

    part: Node
    least: int
    most: int | None


Node = Chars | Sequence | Either | Repeat

_LAST = 0x10FFFF
# A token's text ends at NUL in the engine, and half of a surrogate pair is no character.
_ANY: Ranges = ((1, 0xD7FF), (0xE000, _LAST))
_CLASSES: dict[str, Ranges] = {
    "d": ((48, 57),),
    "w": ((48, 57), (65, 90), (95, 95), (97, 122)),
    "s": ((9, 13), (32, 32)),
}
_SIGNS = {"t": 9, "n": 10, "v": 11, "f": 12, "r": 13}
_PLAIN = frozenset(r"\^$.|?*+()[]{}/-&~#!\"'%,:;<=>@_` ")
"""What a backslash may stand before without another meaning."""
_COUNT = re.compile(r"\{(\d{1,5})(?:(,)(\d{1,5})?)?\}")
_HEX = re.compile(r"x([0-9A-Fa-f]{2})|u([0-9A-Fa-f]{4})|u\{([0-9A-Fa-f]{1,6})\}|U([0-9A-Fa-f]{8})")
_NAME = re.compile(r"\?P?<[A-Za-z_][A-Za-z0-9_]{0,63}>")
_REFUSED = {
    "?=": "a look ahead",
    "?!": "a look ahead",
    "?<=": "a look behind",
    "?<!": "a look behind",
    "?P=": "a back reference",
    "?#": "a comment",
    "?>": "an atomic group",
    "?(": "a condition",
}
_ESCAPES_REFUSED = {
    "b": "a word boundary",
    "B": "a word boundary",
    "A": "an anchor inside",
    "Z": "an anchor inside",
    "z": "an anchor inside",
    "p": "a property of Unicode",
    "P": "a property of Unicode",
    "k": "a back reference",
    "0": "NUL or an octal number",
}


def read(pattern: str) -> Node:
    """
    Read *pattern*.

    Raises:
        PatternError: it is none of this dialect, or too large.
    """
    if len(pattern.encode("utf-8", "surrogatepass")) > MAX_REGEX_BYTES:
        raise PatternError(0, f"it has more than {MAX_REGEX_BYTES} bytes")
    node = _PatternReader(pattern).whole()
    if size_of(node) > MAX_POSITIONS:
        raise PatternError(
            0, f"written out it has more than {MAX_POSITIONS} characters and classes"
        )
    return node


def size_of(node: Node) -> int:
    """How many characters and classes *node* has when its repetitions are written out."""
    match node:
        case Chars():
            return 1
        case Sequence():
            return sum(map(size_of, node.parts))
        case Either():
            return sum(map(size_of, node.options))
        case Repeat():
            return size_of(node.part) * max(node.least, node.most or 0, 1)


def without(ranges: Ranges) -> Ranges:
    """Every character but those of *ranges*."""
    left: list[tuple[int, int]] = []
    for low, high in _ANY:
        at = low
        for begin, end in ranges:
            if end < at or begin > high:
                continue
            if begin > at:
                left.append((at, begin - 1))
            at = end + 1
        if at <= high:
            left.append((at, high))
    return tuple(left)


def merged(ranges: Iterator[tuple[int, int]]) -> Ranges:
    """*ranges* in order, those that touch joined."""
    made: list[tuple[int, int]] = []
    for low, high in sorted(ranges):
        if made and low <= made[-1][1] + 1:
            made[-1] = (made[-1][0], max(made[-1][1], high))
        else:
            made.append((low, high))
    return tuple(made)


class _PatternReader:
    """Reads one pattern from left to right."""

    def __init__(self, pattern: str) -> None:
        self._text = pattern
        self._at = 0
        self._depth = 0

    def whole(self) -> Node:
        node = self._either()
        if self._at < len(self._text):
            raise PatternError(self._at, "`)` closes nothing")
        return node

    def _peek(self, what: str) -> bool:
        return self._text.startswith(what, self._at)

    def _either(self) -> Node:
        options = [self._sequence()]
        while self._peek("|"):
            self._at += 1
            options.append(self._sequence())
        return options[0] if len(options) == 1 else Either(tuple(options))

    def _sequence(self) -> Node:
        parts: list[Node] = []
        if not self._depth:
            self._anchor("^", r"\A")
        while self._at < len(self._text) and self._text[self._at] not in "|)":
            if not self._depth and self._ends():
                break
            parts.append(self._repeated(self._atom()))
        return parts[0] if len(parts) == 1 else Sequence(tuple(parts))

    def _anchor(self, *ways: str) -> bool:
        for way in ways:
            if self._peek(way):
                self._at += len(way)
                return True
        return False

    def _ends(self) -> bool:
        """Pass over an anchor at the end of an option; one inside stays for `_atom` to refuse."""
        began = self._at
        if self._anchor("$", r"\Z", r"\z"):
            if self._at == len(self._text) or self._peek("|"):
                return True
            self._at = began
        return False

    def _atom(self) -> Node:
        began, sign = self._at, self._text[self._at]
        self._at += 1
        match sign:
            case "(":
                return self._group(began)
            case "[":
                return Chars(self._class(began))
            case ".":
                return Chars(without(((10, 10),)))
            case "\\":
                return Chars(self._escape(began))
            case "^" | "$":
                what = f"`{sign}` inside: the whole answer is matched as it is; write `\\{sign}`"
                raise PatternError(began, f"{what} for the character")
            case "*" | "+" | "?":
                raise PatternError(began, f"`{sign}` repeats nothing")
            case "{" | "}" | "]":
                raise PatternError(began, f"`{sign}` alone: write `\\{sign}` for the character")
            case _:
                return Chars(self._one(began, ord(sign)))

    def _group(self, began: int) -> Node:
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise PatternError(began, f"groups are nested deeper than {MAX_DEPTH}")
        if self._peek("?:"):
            self._at += 2
        elif name := _NAME.match(self._text, self._at):
            self._at = name.end()
        elif self._peek("?"):
            kinds = (kind for kind in sorted(_REFUSED, key=len, reverse=True) if self._peek(kind))
            what = _REFUSED[found] if (found := next(kinds, "")) else "a flag"
            raise PatternError(began, f"{what} cannot be held to")
        elif self._peek("*"):
            raise PatternError(began, "a verb `(*…)` cannot be held to")
        node = self._either()
        if not self._peek(")"):
            raise PatternError(began, "`(` is not closed")
        self._at += 1
        self._depth -= 1
        return node

    def _repeated(self, node: Node) -> Node:
        began = self._at
        if self._at >= len(self._text) or self._text[self._at] not in "*+?{":
            return node
        sign = self._text[self._at]
        if sign == "{":
            least, most = self._count(began)
        else:
            self._at += 1
            least, most = {"*": (0, None), "+": (1, None), "?": (0, 1)}[sign]
        if self._peek("?"):
            self._at += 1
        elif self._peek("+"):
            raise PatternError(self._at, "a possessive repetition cannot be held to")
        if self._at < len(self._text) and self._text[self._at] in "*+?{":
            raise PatternError(self._at, "a repetition of a repetition: put it into a group")
        return Repeat(node, least, most)

    def _count(self, began: int) -> tuple[int, int | None]:
        found = _COUNT.match(self._text, began)
        if found is None:
            raise PatternError(began, "`{` should begin a count such as {2}, {2,} or {2,5}")
        self._at = found.end()
        least = int(found[1])
        most = least if not found[2] else None if found[3] is None else int(found[3])
        if max(least, most or 0) > MAX_COUNT:
            raise PatternError(began, f"it repeats more than {MAX_COUNT} times")
        if most is not None and most < least:
            raise PatternError(began, "the counts are the wrong way round")
        return least, most

    def _escape(self, began: int, *, in_class: bool = False) -> Ranges:
        sign = self._text[self._at : self._at + 1]
        if hexed := _HEX.match(self._text, self._at):
            self._at = hexed.end()
            return self._one(began, int(next(filter(None, hexed.groups())), 16))
        self._at += 1
        if sign in _SIGNS:
            return self._one(began, _SIGNS[sign])
        if sign and sign in "dws":
            return _CLASSES[sign]
        if sign and sign in "DWS":
            return without(_CLASSES[sign.lower()])
        if sign and sign in _PLAIN:
            return self._one(began, ord(sign))
        if sign in _ESCAPES_REFUSED and not (in_class and sign in "AZz"):
            raise PatternError(began, f"{_ESCAPES_REFUSED[sign]} cannot be held to")
        if sign.isdecimal():
            raise PatternError(began, "a back reference cannot be held to")
        raise PatternError(began, f"`\\{sign}` has no meaning here" if sign else "`\\` at the end")

    def _one(self, began: int, code: int) -> Ranges:
        if not any(low <= code <= high for low, high in _ANY):
            raise PatternError(began, "no answer can hold this character")
        return ((code, code),)

    def _class(self, began: int) -> Ranges:
        negated = self._anchor("^")
        ranges: list[tuple[int, int]] = []
        first = True
        while True:
            if self._at >= len(self._text):
                raise PatternError(began, "`[` is not closed")
            if self._peek("]"):
                if first:
                    raise PatternError(self._at, "`]` first in a class: write `\\]`")
                self._at += 1
                break
            ranges += self._item()
            first = False
        made = merged(iter(ranges))
        made = without(made) if negated else made
        if not made:
            raise PatternError(began, "no character is of this class")
        return made

    def _item(self) -> Ranges:
        """One character, class or range inside a class."""
        began = self._at
        for pair in ("[:", "[.", "[=", "&&", "||", "~~", "--"):
            if self._peek(pair):
                what = f"`{pair}` in a class means different things: write `\\{pair[0]}`"
                raise PatternError(began, what)
        low = self._member()
        ranged = self._peek("-") and not self._text.startswith("-]", self._at)
        if not ranged or self._at + 1 >= len(self._text):
            return low
        self._at += 1
        high = self._member()
        if len(low) > 1 or len(high) > 1 or low[0][0] != low[0][1] or high[0][0] != high[0][1]:
            raise PatternError(began, "a range between what is no single character")
        if high[0][0] < low[0][0]:
            raise PatternError(began, "the range is the wrong way round")
        return ((low[0][0], high[0][0]),)

    def _member(self) -> Ranges:
        began, sign = self._at, self._text[self._at]
        self._at += 1
        if sign == "\\":
            return self._escape(began, in_class=True)
        return self._one(began, ord(sign))
