"""
rkctl: the group of all verbs, each imported when it is used.

A new verb is one file in `verbs/` and one line in `catalogue.py`.
"""

from __future__ import annotations

import contextlib
import importlib
import io
import os
import sys
from typing import Any

import click
from rkd_client.errors import RkdError

import rkd
from rkctl.catalogue import ALIASES, ELSEWHERE, GROUPS, HIDDEN, VERBS
from rkctl.failure import Exit, Failure, failure_of
from rkctl.screen import render
from rkctl.verb import CONNECTION_FLAGS, JSON_FLAG
from rkd.errors import RkdError as LocalError


class Verbs(click.Group):
    """A group that imports a verb when it is asked for, and turns failures into exit codes."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """Return every verb, in the order of the table."""
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """
        Return the verb of that name or alias; None, with click's suggestions, when unknown.

        Raises:
            Failure: a verb other tools have, which is something else here.
        """
        name = ALIASES.get(cmd_name, cmd_name)
        if name in ELSEWHERE and not ctx.resilient_parsing:
            said, remedy = ELSEWHERE[name]
            raise Failure(f"`rkctl {cmd_name}`: {said}", "NO_SUCH_VERB", (remedy,), Exit.USAGE)
        place = VERBS[name].place if name in VERBS else HIDDEN.get(name)
        if place is None:
            return super().get_command(ctx, cmd_name)
        module, _, attribute = place.partition(":")
        command = getattr(importlib.import_module(f"rkctl.verbs.{module}"), attribute)
        assert isinstance(command, click.Command)  # noqa: S101 - the table is wrong
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the verbs in their groups, without importing one."""
        del ctx
        width = max(map(len, VERBS))
        for group in GROUPS:
            rows = [(f"{n:{width}}", v.help) for n, v in VERBS.items() if v.group == group]
            with formatter.section(group):
                formatter.write_dl(rows)

    def invoke(self, ctx: click.Context) -> Any:
        """Run the verb; print what failed and leave with its exit code."""
        try:
            return super().invoke(ctx)
        except (Failure, RkdError, LocalError) as error:
            failure = failure_of(error)
            said, *remedies = failure.lines()
            render.told(said)
            for line in remedies:  # unbroken: there are commands in them, to be copied
                render.note(line)
            ctx.exit(failure.exit_code)
        except KeyboardInterrupt:
            # Whatever was under way is cancelled by the clean-up of the verb's context.
            if sys.stderr.isatty():
                click.echo(err=True)
            ctx.exit(Exit.INTERRUPTED)


def _connection_flags(function: Any) -> Any:
    for option in (JSON_FLAG, *reversed(CONNECTION_FLAGS)):
        function = option(function)
    return function


@click.group(
    cls=Verbs,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="rkctl VERB --help tells more of a verb.",
)
@_connection_flags
@click.version_option(
    rkd.__version__, "--version", prog_name="rkctl", message="%(prog)s %(version)s"
)
def cli(**_: object) -> None:
    """Talk to rkd, the LLM service of this board or of another."""


def tolerant(stream: object, errors: str) -> None:
    """Let *stream* replace what its encoding has no character for, instead of failing."""
    if isinstance(stream, io.TextIOWrapper):
        stream.reconfigure(errors=errors)


def main() -> None:
    """Run rkctl."""
    # Forked children of gRPC's threads are none of ours; its own notes are not the user's.
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")
    # A prompt costs minutes: neither a byte of it nor of its answer may end the program.
    tolerant(sys.stdin, "replace")
    tolerant(sys.stdout, "replace")
    tolerant(sys.stderr, "backslashreplace")
    try:
        cli(prog_name="rkctl")
    except SystemExit as ended:
        if ended.code == Exit.INTERRUPTED:
            # A lock of gRPC's that Ctrl-C left taken would hold up the interpreter's own end.
            for stream in (sys.stdout, sys.stderr):
                with contextlib.suppress(OSError, ValueError):
                    stream.flush()
            os._exit(Exit.INTERRUPTED)
        raise
