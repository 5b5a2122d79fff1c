"""
Small changes of a source that make it wrong, one at a time: what no test notices, no test holds.

Pure: text in, mutants out; `run.py` tries them.
"""

from __future__ import annotations

import ast
import copy
from collections.abc import Iterator
from dataclasses import dataclass

_SWAPS: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
}
_ARITHMETIC: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.FloorDiv,
    ast.FloorDiv: ast.Mult,
}
_FIELDS = (ast.AnnAssign, ast.Expr, ast.Assign, ast.AugAssign, ast.Delete)
"""Statements that are left out whole."""


@dataclass(frozen=True, slots=True)
class Mutant:
    """
    One wrong version of a file.

    Args:
        line: where, in the original.
        function: dotted name of what encloses it.
        change: what was done, for people; with `function` it names the mutant across edits.
        source: the whole wrong file.
    """

    line: int
    function: str
    change: str
    source: str

    @property
    def name(self) -> str:
        """What a judgement is written for: survives a change of line numbers."""
        return f"{self.function}: {self.change}"


def mutants(source: str, functions: str = "") -> Iterator[Mutant]:
    """Yield every mutant of *source* in functions whose name begins so, in the file's order."""
    tree = ast.parse(source)
    for function, node in _inside(tree, ""):
        if not function.startswith(functions):
            continue
        for change, wrong in _wrongs(node):
            text = _with(tree, node, wrong)
            if text is not None:
                yield Mutant(node.lineno, function, change, text)  # type: ignore[attr-defined]


def names(source: str) -> frozenset[str]:
    """Name every mutant of *source*; a judgement of another one is of code that is gone."""
    return frozenset(
        f"{function}: {change}"
        for function, node in _inside(ast.parse(source), "")
        for change, _ in _wrongs(node)
    )


def _inside(node: ast.AST, where: str) -> Iterator[tuple[str, ast.AST]]:
    """Every node inside a function, with the function's dotted name."""
    for child in ast.iter_child_nodes(node):
        inner = where
        if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            inner = f"{where}.{child.name}".lstrip(".")
            if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef) and where != inner:
                for statement in child.body:
                    yield from _all(statement, inner)
                continue
        yield from _inside(child, inner)


def _all(node: ast.AST, where: str) -> Iterator[tuple[str, ast.AST]]:
    yield where, node
    for child in ast.iter_child_nodes(node):
        yield from _all(child, where)


def _wrongs(node: ast.AST) -> Iterator[tuple[str, ast.AST]]:  # noqa: C901 - one table
    """What to put in place of *node*, each with its description."""
    match node:
        case ast.Compare(ops=[op, *_]) if type(op) in _SWAPS:
            wrong = copy.deepcopy(node)
            wrong.ops[0] = _SWAPS[type(op)]()
            yield f"`{ast.unparse(node)}` → `{ast.unparse(wrong)}`", wrong
        case ast.BoolOp(op=op):
            wrong_bool = copy.deepcopy(node)
            wrong_bool.op = ast.Or() if isinstance(op, ast.And) else ast.And()
            yield f"`{ast.unparse(node)}` → `{ast.unparse(wrong_bool)}`", wrong_bool
        case ast.UnaryOp(op=ast.Not(), operand=operand):
            yield f"`{ast.unparse(node)}` → `{ast.unparse(operand)}`", operand
        case ast.BinOp(op=op) if type(op) in _ARITHMETIC and not _is_text(node):
            wrong_sum = copy.deepcopy(node)
            wrong_sum.op = _ARITHMETIC[type(op)]()
            yield f"`{ast.unparse(node)}` → `{ast.unparse(wrong_sum)}`", wrong_sum
        case ast.Constant(value=bool() as value):
            yield f"{value} → {not value}", ast.Constant(not value)
        case ast.Constant(value=int() | float() as number):
            yield f"{number} → {number + 1}", ast.Constant(number + 1)
        case ast.If(test=test):
            for value in (True, False):
                wrong_if = copy.deepcopy(node)
                wrong_if.test = ast.Constant(value)
                yield f"`if {ast.unparse(test)}` → {value}", wrong_if
        case ast.Return(value=ast.AST() as value) if not isinstance(value, ast.Constant):
            yield f"`return {ast.unparse(value)}` → None", ast.Return(ast.Constant(None))
        case ast.Expr(value=ast.Constant()):
            return
        case ast.Expr() | ast.Assign() | ast.AugAssign() | ast.Delete():
            yield f"without `{ast.unparse(node)}`", ast.Pass()


def _is_text(node: ast.BinOp) -> bool:
    sides = (node.left, node.right)
    return any(
        isinstance(side, ast.JoinedStr)
        or (isinstance(side, ast.Constant) and isinstance(side.value, str | bytes))
        for side in sides
    )


def _with(tree: ast.Module, node: ast.AST, wrong: ast.AST) -> str | None:
    """The file with *wrong* in the place of *node*; None when that says the same."""
    swap = _Swap(node, ast.copy_location(wrong, node))
    changed = swap.visit(copy.copy(tree))
    text = ast.unparse(ast.fix_missing_locations(changed))
    swap.undo()
    return text


class _Swap(ast.NodeTransformer):
    """Puts one node in the place of another, and back: copying a tree for each is slow."""

    def __init__(self, old: ast.AST, new: ast.AST) -> None:
        self._old, self._new = old, new
        self._places: list[tuple[ast.AST, str, int | None]] = []

    def visit(self, node: ast.AST) -> ast.AST:
        """Look for the old node among the children of *node*."""
        for name, value in ast.iter_fields(node):
            if value is self._old:
                setattr(node, name, self._new)
                self._places.append((node, name, None))
            elif isinstance(value, list):
                for index, item in enumerate(value):
                    if item is self._old:
                        value[index] = self._new
                        self._places.append((node, name, index))
                    elif isinstance(item, ast.AST):
                        self.visit(item)
            elif isinstance(value, ast.AST):
                self.visit(value)
        return node

    def undo(self) -> None:
        """Put the old node back."""
        for node, name, index in self._places:
            if index is None:
                setattr(node, name, self._old)
            else:
                getattr(node, name)[index] = self._old
