"""No regular expression of the project takes the square of what it is given, or worse."""

from __future__ import annotations

import importlib
import itertools
import pkgutil
import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import rkd
from tests.growth import growth

PROBE = 3_000
"""Characters of a first attack: a linear expression takes some 30 µs, a quadratic one 30 ms."""
SUSPECT_S = 0.0005
SUSPECT = 6
"""Four times the text takes 4 times as long when linear, 16 when not; from here it is measured."""
ALWAYS = (" ", "\n", "a", "0", ".", "_", "-", '"', "\\", "/")
SHORT = {
    "rkd.operations.workshop._TYPE_IN_NAME": "names of files: 255 bytes",
}
"""Expressions whose input is bounded by others, and by what."""


def expressions() -> Iterator[tuple[str, re.Pattern[str] | re.Pattern[bytes]]]:
    """Every expression a module of ours holds by a name."""
    for module in pkgutil.walk_packages(rkd.__path__, "rkd."):
        if ".v1" in module.name or module.name.endswith("__main__"):
            continue
        for name, value in vars(importlib.import_module(module.name)).items():
            found = value.values() if isinstance(value, dict) else [value]
            for one in found:
                if isinstance(one, re.Pattern):
                    yield f"{module.name}.{name}", one


ALL = dict(expressions())


def methods(name: str) -> tuple[str, ...]:
    """How the code uses the expression *name*: anchored at a place, or looked for everywhere."""
    module, _, bare = name.rpartition(".")
    file = Path(importlib.import_module(module).__file__ or "")
    used = set(re.findall(rf"\b{bare}\.([a-z]+)\(", file.read_text(encoding="utf-8")))
    anchored = tuple(sorted(used & {"match", "fullmatch"}))
    return anchored if anchored and used == set(anchored) else ("search", "fullmatch")


def pieces(source: str) -> list[str]:
    """What the expression itself speaks of, and what ends lines, words and strings."""
    words = re.findall(r"[A-Za-z]{2,}|[^A-Za-z0-9\s]", source)
    return sorted({*ALWAYS, *words[:24]})


def attacks(source: str) -> Iterator[tuple[str, str]]:
    """(What comes once, what is repeated): an end nobody expects follows."""
    known = pieces(source)
    yield from itertools.product(("", *known), known)
    yield from (("", one + other) for one, other in itertools.permutations(known, 2))


def made(attack: tuple[str, str], size: int) -> str:
    """The attack in a size."""
    return attack[0] + attack[1] * (size // len(attack[1])) + "\x01"


def taken(run: Callable[[str], None], text: str) -> float:
    """CPU seconds of one run over *text*."""
    begun = time.process_time()
    run(text)
    return time.process_time() - begun


@pytest.mark.parametrize("name", sorted(set(ALL) - set(SHORT)))
def test_an_expression_is_linear(name: str) -> None:
    """Used as the code does, over texts made of its own words."""
    expression = ALL[name]
    uses = [getattr(expression, method) for method in methods(name)]
    is_text = isinstance(expression.pattern, str)
    source = expression.pattern if is_text else expression.pattern.decode("latin-1")

    def run(text: str) -> None:
        given = text if is_text else text.encode()
        for use in uses:
            use(given)

    for attack in attacks(source):
        once_s = taken(run, made(attack, PROBE))
        if once_s > SUSPECT_S and taken(run, made(attack, PROBE * 4)) > SUSPECT * once_s:
            ratio = growth(lambda size, it=attack: made(it, size), run, most=PROBE * 8)
            assert ratio < 8, f"{attack} takes {ratio:.0f} times as long when it is 4 times as long"


def test_the_judge_finds_a_square() -> None:
    """Blanks before a comment, the expression that took half a minute over 160 kB."""
    bad = re.compile(r"[ \t]+#.*")
    attack = ("", " ")

    assert attack in set(attacks(bad.pattern))
    assert growth(lambda size: made(attack, size), bad.search, most=PROBE * 2) > 8
