"""
The decorator that makes a function a verb of rkctl: shared flags, session, clean up.

A verb that talks to the daemon gets a `CommandSession` first; a local one gets `Local`. The
session's module is imported when a verb runs, not before: gRPC costs 70 ms of `rkctl version`.
"""

from __future__ import annotations

import functools
import os
import textwrap
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec

import click
from rkd_client import contexts
from rkd_client.where import Flags, resolve

from rkctl import naming
from rkctl.failure import Exit, Failure

if TYPE_CHECKING:
    from rkctl.session import CommandSession

P = ParamSpec("P")

_NO = frozenset({"false", "no", "off", "0"})
_YES = frozenset({"true", "yes", "on", "1", "low", "medium", "high"})
SPELLINGS = {
    "--keepalive": "--keep-alive",
    "--hidethinking": "--hide-thinking",
    "--nowordwrap": "--no-wordwrap",
    "--parameter-size": "--params",
}
"""How other tools spell flags of ours."""

_PATHS = frozenset(
    {"endpoint", "ca", "cert", "key", "file", "files", "origin", "messages", "tools", "shape"}
    | {"suffix_file"}
)
"""Arguments that name files of this machine, in whatever bytes those are named."""


@dataclass(frozen=True, slots=True)
class Local:
    """What a verb that needs no daemon gets: only whether to print JSON."""

    json: bool


CONNECTION_FLAGS: tuple[Callable[[Any], Any], ...] = (
    click.option("--endpoint", metavar="WHERE", help="Socket or host:port, several by commas."),
    click.option("--token", metavar="TOKEN", help="Access token of the daemon."),
    click.option(
        "--context",
        metavar="NAME",
        shell_complete=naming.known_contexts,
        help="Use this context (see rkctl context).",
    ),
    click.option(
        "--ca", type=click.Path(), metavar="FILE", help="Trust this authority (PEM); means TLS."
    ),
    click.option(
        "--cert", type=click.Path(), metavar="FILE", help="Show this certificate (PEM); means TLS."
    ),
    click.option("--key", type=click.Path(), metavar="FILE", help="Key of the certificate (PEM)."),
    click.option(
        "--timeout",
        "timeout_s",
        type=click.FloatRange(min=0, min_open=True),
        metavar="SECONDS",
        help="Longest wait for an answer.",
    ),
)
"""Before the verb or after it; after it wins."""

JSON_FLAG = click.option("--json", "as_json", is_flag=True, help="Print JSON, lines for streams.")


def verb(
    name: str, *, json: bool = True
) -> Callable[[Callable[Concatenate[CommandSession, P], None]], click.Command]:
    """Make a function a verb that talks to the daemon; *json* is whether it prints data."""

    def decorate(function: Callable[Concatenate[CommandSession, P], None]) -> click.Command:
        body: Callable[..., None] = function

        @functools.wraps(body)
        def run(**given: Any) -> None:
            _check_text(given)
            body(_session(click.get_current_context(), given), **given)

        return _with_flags(click.command(name, cls=Command)(run), CONNECTION_FLAGS, json=json)

    return decorate


def local_verb(
    name: str, *, json: bool = True
) -> Callable[[Callable[Concatenate[Local, P], None]], click.Command]:
    """Make a function a verb that needs no daemon."""

    def decorate(function: Callable[Concatenate[Local, P], None]) -> click.Command:
        body: Callable[..., None] = function

        @functools.wraps(body)
        def run(**given: Any) -> None:
            body(Local(json=wants_json(click.get_current_context(), given)), **given)

        return _with_flags(click.command(name, cls=Command)(run), (), json=json)

    return decorate


class FineOption(click.Option):
    """A flag few people need: a verb's help names it, `rkctl help sampling` explains it."""


class Command(click.Command):
    """A verb whose switches may also be given a value, as other tools write them."""

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write what every flag is for, and of fine ones the names alone."""
        options: list[tuple[str, str]] = []
        fine: list[str] = []
        for param in self.get_params(ctx):
            record = param.get_help_record(ctx) if isinstance(param, click.Option) else None
            if record is not None and isinstance(param, FineOption):
                fine.append(record[0].partition(" ")[0])
            elif record is not None:
                options.append(record)
        with formatter.section("Options"):
            formatter.write_dl(options)
        if fine:
            with formatter.section("Finer ones, explained by `rkctl help sampling`"):
                width = formatter.width - formatter.current_indent
                for line in textwrap.wrap(" ".join(fine), width, break_on_hyphens=False):
                    formatter.write(f"{'':{formatter.current_indent}}{line}\n")

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Read `--think=false` as `--no-think`, `--keepalive` as `--keep-alive`."""
        end = args.index("--") if "--" in args else len(args)
        plain = [word for arg in args[:end] for word in self._switched(_respelled(arg))]
        return super().parse_args(ctx, [*plain, *args[end:]])

    def _switched(self, arg: str) -> tuple[str, ...]:
        flag, given, value = arg.partition("=")
        if not given or not flag.startswith("--"):
            return (arg,)
        for option in self.params:
            if isinstance(option, click.Option) and option.is_flag and flag in option.opts:
                if value.lower() in _YES:
                    return (flag,)
                if value.lower() in _NO:
                    return tuple(option.secondary_opts[:1])
        return (arg,)


def _respelled(arg: str) -> str:
    flag, given, value = arg.partition("=")
    return f"{SPELLINGS.get(flag, flag)}{given}{value}"


def _check_text(given: dict[str, Any]) -> None:
    """
    Refuse arguments that are no text: the protos hold UTF-8 alone.

    Raises:
        Failure: INVALID_TEXT, with the bytes.
    """
    for name, value in given.items():
        for one in value if isinstance(value, tuple) else (value,):
            if isinstance(one, str) and name not in _PATHS and not _is_text(one):
                data = one[:80].encode("utf-8", "surrogateescape")
                shown = data.decode("utf-8", "backslashreplace")
                remedy = "give it in UTF-8; see the locale: locale charmap"
                raise Failure(f"`{shown}` is no UTF-8 text", "INVALID_TEXT", (remedy,), Exit.USAGE)


def _is_text(text: str) -> bool:
    return not any("\ud800" <= character <= "\udfff" for character in text)


def _with_flags(
    command: click.Command, flags: tuple[Callable[[Any], Any], ...], *, json: bool
) -> click.Command:
    """Put the shared flags behind the verb's own."""
    for option in (*((JSON_FLAG,) if json else ()), *flags):
        option(command)
    return command


def wants_json(context: click.Context, given: dict[str, Any]) -> bool:
    """Take `--json` out of *given*; whether it stands before the verb or after it."""
    return bool(given.pop("as_json", False)) or any(
        outer.params.get("as_json", False) for outer in _outer(context)
    )


def _outer(context: click.Context) -> Iterator[click.Context]:
    """Yield the groups around a verb, the nearest first."""
    parent = context.parent
    while parent is not None:
        yield parent
        parent = parent.parent


def flags_of(context: click.Context, given: dict[str, Any]) -> Flags:
    """Take the connection flags out of *given*; those after the verb win over those before it."""
    names = Flags.__dataclass_fields__
    flags = Flags(**{name: given.pop(name) for name in names})
    for outer in _outer(context):
        flags = flags.over(Flags(**{name: outer.params.get(name) for name in names}))
    return flags


def _session(context: click.Context, given: dict[str, Any]) -> CommandSession:
    from rkd_client.sync import Client  # noqa: PLC0415 - the same

    from rkctl.session import CommandSession  # noqa: PLC0415 - see the module's docstring

    flags = flags_of(context, given)
    store = contexts.load(contexts.file_of(os.environ))
    client = Client.at(resolve(flags, os.environ, store), timeout=flags.timeout_s)
    context.call_on_close(client.close)
    return CommandSession(client, json=wants_json(context, given))
