"""The mutants themselves: each compiles, each differs, none is of a docstring."""

from __future__ import annotations

import ast

from tests.mutation.mutants import mutants

SOURCE = '''
"""A module."""

LIMIT = 3


class Pump:
    """A pump."""

    def run(self, level: int, ready: bool) -> int:
        """Run it."""
        if level > LIMIT and ready:
            self.count += 1
            return level + 2
        return 0
'''


def test_every_mutant_is_another_program() -> None:
    """Each of them compiles and none says what the original says."""
    original = ast.unparse(ast.parse(SOURCE))
    made = list(mutants(SOURCE))

    assert len(made) == len({one.source for one in made})
    assert original not in {one.source for one in made}
    assert all(compile(one.source, "mutant", "exec") for one in made)


def test_mutants_are_named_by_function_and_change() -> None:
    """A judgement holds when lines move: the name has none."""
    names = {one.name for one in mutants(SOURCE)}

    assert {
        "Pump.run: `level > LIMIT` → `level >= LIMIT`",
        "Pump.run: `level > LIMIT and ready` → `level > LIMIT or ready`",
        "Pump.run: `if level > LIMIT and ready` → False",
        "Pump.run: without `self.count += 1`",
        "Pump.run: `return level + 2` → None",
        "Pump.run: `level + 2` → `level - 2`",
    } <= names
    assert not any("Run it" in name for name in names)
