"""
GBNF, llama.cpp's grammars: how text is written in it, and how much it has to do for one; pure.

The engine follows every way through a grammar at once. What is judged here is how many there are
at one place, and how many rules begin with one another: both grow out of few bytes. Whether two
ways can go on with the same character is not: that only the one who wrote them knows.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

MAX_GRAMMAR_BYTES = 256 * 1024
MAX_DEPTH = 64
"""Of groups; a grammar made from a large schema has a dozen."""
MAX_ALTERNATIVES = 10_000
"""Of all rules together. Measured (llama.cpp b11549, x86-64): 16,000 in one rule 0.2 s, 64,000 8 s;
quadratic."""
MAX_OPTIONAL = 500
"""`?` and `*` of one rule. Measured: 300 in a row 0.05 s, 2,000 5 s, 16,000 over a minute."""
MAX_REPEAT = 10_000
MAX_RULES = 10_000
"""And groups."""
MAX_CHAIN = 1000
"""Rules of which each begins with the next."""
MAX_WAYS = 10_000
"""
To go on at one place. Measured (49,152 tokens): 1,024 ways through rules that double take 0.3 s
before the first token, 4,096 1.7 s, 8,192 14 s.
"""
MAX_ALIKE = 12
"""
Of optional parts in a row, so many may be the same text or class. Each token is tried in every way
at once: of n alike, a token of k characters in n over k. Measured (49,152 tokens): `[a-z]?` 300
times takes minutes for one token, as `[a-z]{0,300}` 0.1 s.
"""

_PLAIN = re.compile(r"[A-Za-z0-9_ .,;:!?()/+*=<>@#%&$'-]")
_OPAQUE = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"?|\[[^\]\\]*(?:\\.[^\]\\]*)*\]?|#[^\n]*', re.DOTALL)
"""What stands in quotes or a character class, and comments; one left open reaches to the end."""
_REPEAT = re.compile(r"\{([\s\d,]*)\}")
_BRACKETS = re.compile("[()]")
_SIGN = re.compile(r"([A-Za-z0-9_-]+|\.\d*|~)(?:(?<=[^.~])\s*(::=))?|([|()])|([*+?]|\{[\s\d,]*\})")


def literal(text: str) -> str:
    """Write *text* as a literal."""
    return '"' + "".join(one if _PLAIN.fullmatch(one) else _code(one) for one in text) + '"'


def character(code: int) -> str:
    """Write the character *code* for a class."""
    one = chr(code)
    return one if one.isascii() and one.isalnum() else _code(one)


def _code(one: str) -> str:
    return f"\\U{ord(one):08X}"


_Items = list[tuple[str, bool]]
"""Of one alternative: ".1" for a text, "~" for none, else a rule or group; whether it may lack."""
_Rules = dict[str, list[_Items]]


def judge(grammar: str) -> Iterator[str]:
    """Say what is too much in *grammar*; linear in its length."""
    if len(grammar) > MAX_GRAMMAR_BYTES or len(grammar.encode("utf-8", "surrogatepass")) > (
        MAX_GRAMMAR_BYTES
    ):
        yield f"should have at most {MAX_GRAMMAR_BYTES} bytes"
        return
    texts: dict[str, int] = {}
    bare = _OPAQUE.sub(lambda found: _bare(found[0], texts), grammar)
    if _too_deep(bare):
        yield f"should be nested at most {MAX_DEPTH} deep"
        return
    if bare.count("|") > MAX_ALTERNATIVES:
        yield f"should have at most {MAX_ALTERNATIVES} alternatives"
        return
    if any(rule.count("?") + rule.count("*") > MAX_OPTIONAL for rule in bare.split("::=")):
        yield f"should have at most {MAX_OPTIONAL} of `?` and `*` in one rule"
        return
    counts = (digits for one in _REPEAT.findall(bare) for digits in re.findall(r"\d+", one))
    most = len(str(MAX_REPEAT))
    if any(len(digits.lstrip("0")) > most or int(digits) > MAX_REPEAT for digits in counts):
        yield f"should repeat nothing more than {MAX_REPEAT} times"
    yield from _judge_rules(_rules(bare))


def _bare(piece: str, texts: dict[str, int]) -> str:
    """What stands for *piece*: the same for the same text or class."""
    if piece.startswith("#"):
        return " "
    return " ~ " if piece == '""' else f" .{texts.setdefault(piece, len(texts))} "


def _too_deep(bare: str) -> bool:
    depth = 0
    for sign in _BRACKETS.findall(bare):
        depth += 1 if sign == "(" else -1
        if depth > MAX_DEPTH:
            return True
    return False


def _judge_rules(rules: _Rules) -> Iterator[str]:
    if len(rules) > MAX_RULES:
        yield f"should have at most {MAX_RULES} rules and groups"
        return
    measured = _measured(rules)
    if any(one.chain > MAX_CHAIN for one in measured.values()):
        yield f"should have at most {MAX_CHAIN} rules of which each begins with the next"
    elif any(_most_ways(items, measured) > MAX_WAYS for all_ in rules.values() for items in all_):
        yield f"should have at most {MAX_WAYS} ways to go on at one place"
    elif _most_alike(rules) > MAX_ALIKE:
        yield f"should have at most {MAX_ALIKE} optional parts alike in a row: write {{0,n}}"


def _rules(bare: str) -> _Rules:
    """Read the rules of a grammar without its texts; each group is a rule of its own."""
    rules: _Rules = {}
    open_: list[list[_Items]] = [[[]]]
    for name, defines, bracket, times in _SIGN.findall(bare):
        if defines:
            open_ = [rules.setdefault(name, [])]
            open_[-1].append([])
        elif bracket == "(":
            group = f"({len(rules)}"
            rules[group] = [[]]
            open_[-1][-1].append((group, False))
            open_.append(rules[group])
        elif bracket == ")":
            del open_[max(len(open_) - 1, 1) :]
        elif bracket == "|":
            open_[-1].append([])
        elif times:
            last = open_[-1][-1]
            if last and (times in "*?" or re.match(r"\{\s*0*\s*[,}]", times)):
                last[-1] = (last[-1][0], True)
        else:
            open_[-1][-1].append((name, False))
    return rules


@dataclass(frozen=True, slots=True)
class _Measure:
    """Of a rule: ways to begin it, whether it may be nothing, rules that begin with the next."""

    ways: int
    empty: bool
    chain: int


_TEXT = _Measure(1, empty=False, chain=0)
_NONE = _Measure(0, empty=True, chain=0)


def _measured(rules: _Rules) -> dict[str, _Measure]:
    """Measure every rule; one that begins with itself, which the engine refuses, counts once."""
    done: dict[str, _Measure] = {".": _TEXT, "~": _NONE}
    begun: set[str] = set()
    for name in rules:
        stack = [] if name in begun else [_measure(name, rules, done, begun)]
        while stack:
            wanted = next(stack[-1], None)
            if wanted is None:
                stack.pop()
            else:
                stack.append(_measure(wanted, rules, done, begun))
    return done


def _measure(name: str, rules: _Rules, done: dict[str, _Measure], begun: set[str]) -> Iterator[str]:
    """Measure the rule *name*, yielding each that has to be measured first."""
    begun.add(name)
    ways = chain = 0
    empty = False
    for items in rules[name]:
        for item, optional in items:
            if item not in begun and item in rules:
                yield item
            one = done.get(item, _TEXT)
            ways, chain = min(ways + one.ways, MAX_WAYS + 1), max(chain, one.chain)
            if not (optional or one.empty):
                break
        else:
            ways, empty = ways + 1, True
    done[name] = _Measure(ways, empty, chain + 1)


def _most_ways(items: _Items, measured: dict[str, _Measure]) -> int:
    """The most ways to go on at any place between *items*."""
    most = ways = 0
    for item, optional in reversed(items):
        one = measured.get(item, _TEXT)
        ways = one.ways + (ways if optional or one.empty else 0)
        most = max(most, ways)
    return most


def _most_alike(rules: _Rules) -> int:
    """The most often one thing stands among optional parts in a row; groups are what they hold."""
    known: dict[object, str] = {}
    same: dict[str, str] = {}
    most = 0
    # A group is written down behind the one it stands in.
    for name in reversed(rules):
        made = [[(same.get(item, item), optional) for item, optional in one] for one in rules[name]]
        if name.startswith("("):
            same[name] = known.setdefault(tuple(map(tuple, made)), name)
        for items in made:
            row: Counter[str] = Counter()
            for item, optional in items:
                if not optional:
                    row.clear()
                    continue
                row[item] += 1
                most = max(most, row[item])
    return most
