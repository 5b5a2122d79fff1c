"""
The reference of rkctl from its own commands: the tables in `docs/rkctl.md` and the man page.

`python -m tests.rkctl_manual docs` writes both into that folder; a test compares them.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
from rkctl.catalogue import ALIASES, VERBS
from rkctl.failure import Exit
from rkctl.flags import FLAGS
from rkctl.main import cli
from rkctl.verb import CONNECTION_FLAGS

SHORT = {"ls": ALIASES["ls"]}
"""The alias that stands in the tables; the text tells of those other tools taught people."""

BEGIN, END = "<!-- verbs -->", "<!-- end of verbs -->"
"""Between these marks of the manual stand the tables."""

EXIT_MEANINGS: dict[Exit, str] = {
    Exit.OK: "done",
    Exit.ERROR: "an error",
    Exit.USAGE: "the command line makes no sense",
    Exit.NOT_FOUND: "no such model, operation, repository, context or file",
    Exit.UNAVAILABLE: "the daemon is not there, is stopping or did not answer in time",
    Exit.PERMISSION: "no or wrong token, role or access",
    Exit.INTERRUPTED: "Ctrl-C; a pull, create or push goes on",
}

VARIABLES: dict[str, str] = {
    "RKD_ENDPOINT": "where the daemon is, as --endpoint",
    "RKD_TOKEN": "access token, as --token",
    "RKD_CONTEXT": "context to use, as --context",
    "RKD_CA": "authority to trust, as --ca",
    "RKD_CERT": "certificate to show, as --cert",
    "RKD_KEY": "its key, as --key",
}


@dataclass(frozen=True, slots=True)
class Page:
    """One verb: its usage line, its help as paragraphs, its own flags with their help."""

    usage: str
    help: tuple[str, ...]
    flags: tuple[tuple[str, str], ...]
    json: bool


def pages() -> Iterator[Page]:
    """Yield every verb in the order of the table, those of a group after it."""
    with click.Context(cli, info_name="rkctl") as root:
        for name in VERBS:
            command = cli.get_command(root, name)
            assert command is not None
            yield from _pages(command, root, name)


def shared_flags() -> list[tuple[str, str]]:
    """Return the connection flags every verb that talks to a daemon has."""
    return _flags_of(CONNECTION_FLAGS)


def sampling_flags() -> list[tuple[str, str]]:
    """Return the flags of `run`, `generate` and `chat`."""
    return _flags_of(FLAGS)


def markdown() -> str:
    """Return the tables of verbs and of the sampling flags for the manual."""
    lines = ["| verb | what it does | flags of its own |", "|---|---|---|"]
    for page in pages():
        flags = [f"`{_cell(flag)}`" for flag, _ in _own(page)]
        flags += ["the sampling flags"] * (len(flags) < len(page.flags))
        lines.append(
            f"| `{_cell(page.usage)}` | {_cell(' '.join(page.help))} | {', '.join(flags)} |"
        )
    lines += ["", "| sampling flag | meaning |", "|---|---|"]
    lines += [f"| `{_cell(flag)}` | {_cell(meaning)} |" for flag, meaning in sampling_flags()]
    return "\n".join(lines) + "\n"


def man() -> str:
    """Return the man page in troff."""
    lines = [
        '.TH RKCTL 1 "" "rkd" "rkd"',
        ".SH NAME",
        r"rkctl \- talk to rkd, the LLM service of RK3588 boards",
        ".SH SYNOPSIS",
        r"\fBrkctl\fR [\fIFLAGS\fR] \fIVERB\fR [\fIARGUMENTS\fR]",
        ".SH DESCRIPTION",
        "Data goes to standard output, flushed with every token; progress, prompts and errors to",
        "standard error; no colours or bars when standard output is no terminal.",
        "An error is one line ending in its reason in brackets, then what to do.",
        ".SH VERBS",
    ]
    for page in pages():
        lines += [".TP", rf"\fBrkctl {_troff(page.usage)}\fR", _troff(page.help[0])]
        for paragraph in page.help[1:]:
            lines += [".IP", _troff(paragraph)]
        for flag, meaning in _own(page):
            lines += [".RS", ".TP", rf"\fB{_troff(flag)}\fR", _troff(meaning), ".RE"]
    lines += [".SH FLAGS FLAGS", "Of run, generate and chat."]
    for flag, meaning in sampling_flags():
        lines += [".TP", rf"\fB{_troff(flag)}\fR", _troff(meaning)]
    lines += [".SH SHARED FLAGS", "Before the verb or after it; after it wins."]
    json = ("--json", "One JSON object, or a line for each event of a stream.")
    for flag, meaning in (*shared_flags(), json):
        lines += [".TP", rf"\fB{_troff(flag)}\fR", _troff(meaning)]
    lines.append(".SH EXIT STATUS")
    for code, meaning in EXIT_MEANINGS.items():
        lines += [".TP", rf"\fB{code.value}\fR", _troff(meaning)]
    lines.append(".SH ENVIRONMENT")
    for name, meaning in VARIABLES.items():
        lines += [".TP", rf"\fB{name}\fR", _troff(meaning)]
    lines += [".SH SEE ALSO", r"\fBsystemctl\fR(1), \fBjournalctl\fR(1)"]
    return "\n".join(lines) + "\n"


def _pages(command: click.Command, parent: click.Context, name: str) -> Iterator[Page]:
    with click.Context(command, info_name=name, parent=parent) as context:
        path = context.command_path.removeprefix("rkctl ")
        shared = {flag for flag, _ in shared_flags()} | {"--json"}
        # The flags of `context add` are its substance, not how to reach a daemon.
        own_connection = path.startswith("context ")
        flags = [
            _flag(parameter, context)
            for parameter in command.params
            if isinstance(parameter, click.Option)
        ]
        kept = [flag for flag in flags if own_connection or flag[0] not in shared]
        arguments = [
            piece
            for parameter in command.params
            if isinstance(parameter, click.Argument)
            for piece in parameter.get_usage_pieces(context)
        ]
        names = [path, *(alias for alias, verb in SHORT.items() if verb == path)]
        paragraphs = inspect.cleandoc(command.help or "").split("\n\n")
        yield Page(
            usage=" ".join([", ".join(names), *arguments]),
            help=tuple(" ".join(paragraph.split()) for paragraph in paragraphs),
            flags=tuple(flag for flag in kept if flag[0] != "--json"),
            json=any(flag == "--json" for flag, _ in flags),
        )
        if isinstance(command, click.Group):
            for sub in command.list_commands(context):
                inner = command.get_command(context, sub)
                assert inner is not None
                yield from _pages(inner, context, sub)


def _own(page: Page) -> list[tuple[str, str]]:
    """Return the flags of *page* without the sampling flags, where it has all of them."""
    sampling = sampling_flags()
    if set(sampling) <= set(page.flags):
        return [flag for flag in page.flags if flag not in sampling]
    return list(page.flags)


def _flags_of(options: tuple[Callable[[Any], Any], ...]) -> list[tuple[str, str]]:
    carrier = click.Command("rkctl")
    for option in options:
        option(carrier)
    with click.Context(carrier) as context:
        return [_flag(parameter, context) for parameter in carrier.params]


def _flag(parameter: click.Parameter, context: click.Context) -> tuple[str, str]:
    record = parameter.get_help_record(context)
    assert record is not None
    return record


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def _troff(text: str) -> str:
    escaped = text.replace("\\", r"\e").replace("-", r"\-")
    escaped = "".join(c if c.isascii() else f"\\[u{ord(c):04X}]" for c in escaped)
    return r"\&" + escaped if escaped.startswith((".", "'")) else escaped


def with_tables(text: str) -> str:
    """Return the manual *text* with the tables between its marks made anew."""
    head, _, rest = text.partition(BEGIN)
    _, _, tail = rest.partition(END)
    return f"{head}{BEGIN}\n{markdown()}{END}{tail}"


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    (folder / "rkctl.1").write_text(man(), encoding="utf-8")
    page = folder / "rkctl.md"
    page.write_text(with_tables(page.read_text(encoding="utf-8")), encoding="utf-8")
