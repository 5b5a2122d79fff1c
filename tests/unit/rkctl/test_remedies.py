"""What errors tell people to type can be typed: verbs, their flags, and the settings named."""

from __future__ import annotations

import ast
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from rkctl.main import cli

from rkd.config import SETTINGS
from rkd.errors import Reason
from tests.unit.test_docs import between

ROOT = Path(__file__).resolve().parents[3]
COMMAND = re.compile(r"`(rkctl [^`]*)`")
VARIABLE = re.compile(r"\bRKD_[A-Z_]+\b")
CLIENTS_OWN = frozenset(
    {"RKD_ENDPOINT", "RKD_TOKEN", "RKD_CONTEXT", "RKD_CONFIG", "RKD_CA", "RKD_CERT", "RKD_KEY"}
)
"""Variables that are no settings of the daemon's."""
PLACE = "x"
"""Stands where a message puts a value."""


def texts() -> Iterator[tuple[str, str]]:
    """Every text of the program that may be shown, values in it as `PLACE`, with its place."""
    for folder in ("rkd", "clients/rkctl", "clients/rkd_client", "clients/rkd_gateway"):
        for path in sorted((ROOT / folder).rglob("*.py")):
            if "v1" in path.parts:
                continue
            tree = ast.parse(path.read_text(encoding="utf-8"))
            # The daemon's docstrings nobody is shown; rkctl's are its help.
            unseen = {id(one) for one in _alone(tree)} if folder == "rkd" else set()
            inside = {id(piece) for joined in _joined(tree) for piece in joined.values}
            for node in ast.walk(tree):
                where = f"{path.relative_to(ROOT)}:{getattr(node, 'lineno', 0)}"
                if isinstance(node, ast.JoinedStr):
                    yield where, "".join(map(_piece, node.values))
                elif isinstance(node, ast.Constant) and id(node) not in inside | unseen:
                    yield where, str(node.value)


def _joined(tree: ast.AST) -> Iterator[ast.JoinedStr]:
    return (node for node in ast.walk(tree) if isinstance(node, ast.JoinedStr))


def _alone(tree: ast.AST) -> Iterator[ast.expr]:
    return (node.value for node in ast.walk(tree) if isinstance(node, ast.Expr))


def _piece(node: ast.expr) -> str:
    return str(node.value) if isinstance(node, ast.Constant) else PLACE


def page() -> Iterator[tuple[str, str]]:
    """The last cell of each reason in docs/errors.md, under the reason."""
    text = (ROOT / "docs" / "errors.md").read_text(encoding="utf-8")
    for line in between(text, "reasons").strip().splitlines()[2:]:
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        yield cells[0].strip("`"), cells[3]


TYPED = sorted(
    {
        (command, where)
        for where, text in (*texts(), *page())
        for found in COMMAND.findall(text)
        for command in re.split(r"\s*[;&|]\s*", found)
        if command.startswith("rkctl ")
    }
)


def wrong_with(line: str) -> str:
    """Say why *line* cannot be typed, or ""."""
    words = shlex.split(re.sub(r"\$\([^)]*\)", PLACE, line))[1:]
    command: click.Command | None = cli
    context = click.Context(cli)
    while isinstance(command, click.Group) and words and not words[0].startswith("-"):
        name = words.pop(0)
        if name in {PLACE, "VERB"}:
            return ""
        command = command.get_command(context, name)
        if command is None:
            return f"there is no {name}"
    assert command is not None
    options = {
        name: one
        for one in (*command.params, *cli.params)
        if isinstance(one, click.Option)
        for name in (*one.opts, *one.secondary_opts)
    }
    places = [one for one in command.params if isinstance(one, click.Argument)]
    most = None if any(one.nargs < 0 for one in places) else sum(one.nargs for one in places)
    given = 0
    while words:
        word = words.pop(0)
        if not word.startswith("-"):
            given += 1
            continue
        option = options.get(word.partition("=")[0])
        if option is None:
            return f"it has no {word}"
        if not (option.is_flag or option.count or "=" in word):
            words = words[1:]
    return f"it takes {most} arguments" if most is not None and given > most else ""


def test_there_are_some() -> None:
    """The search finds what it is for."""
    commands = {command for command, _where in TYPED}

    assert "rkctl doctor" in commands
    assert any(command.startswith("rkctl pull x") for command in commands)


@pytest.mark.parametrize(("command", "where"), TYPED)
def test_a_command_that_is_told_exists(command: str, where: str) -> None:
    """Its verb, its flags, and no more arguments than it takes."""
    assert (where, wrong_with(command)) == (where, "")


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("rkctl pul x", "there is no pul"),
        ("rkctl pull x --nmae y", "it has no --nmae"),
        ("rkctl show x y", "it takes 1 arguments"),
        ("rkctl ops atach x", "there is no atach"),
        ("rkctl pull x --name y", ""),
    ],
)
def test_what_cannot_be_typed_is_seen(line: str, why: str) -> None:
    """So that the test above can fail."""
    assert wrong_with(line) == why


def test_settings_that_are_told_exist() -> None:
    """By their variables, in every text and on the page."""
    known = {one.variable for one in SETTINGS} | CLIENTS_OWN
    told = {
        (name, where)
        for where, text in (*texts(), *page())
        if " " in text and "rkd_gateway" not in where
        for name in VARIABLE.findall(text)
    }

    assert {(name, where) for name, where in told if name not in known} == set()
    assert told


def test_every_reason_says_what_to_do() -> None:
    """In words of its own, none like another's but where it is the same deed."""
    assert {reason for reason, _what in page()} == {str(reason) for reason in Reason}
    assert all(len(what.split()) > 1 or what.startswith("`") for _reason, what in page())
