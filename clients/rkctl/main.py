"""
rkctl: the group of all verbs, each imported when it is used.

A new verb is one file in `verbs/` and one line in `VERBS`.
"""

from __future__ import annotations

import importlib
import os
import sys
from typing import Any

import click
from rkd_client.errors import RkdError

import rkd
from rkctl.failure import Exit, Failure, of_error, of_local
from rkctl.verb import CONNECTION_FLAGS, JSON_FLAG
from rkd.errors import RkdError as LocalError

VERBS: dict[str, str] = {
    "list": "models:list_models",
    "show": "show:show",
    "pull": "hub:pull",
    "push": "hub:push",
    "create": "create:create",
    "run": "run:run",
    "generate": "generate:generate",
    "chat": "chat:chat",
    "embed": "tokens:embed",
    "tokenize": "tokens:tokenize",
    "detokenize": "tokens:detokenize",
    "cp": "models:copy",
    "rm": "models:remove",
    "ps": "residents:ps",
    "load": "residents:load",
    "stop": "residents:stop",
    "pin": "residents:pin",
    "unpin": "residents:unpin",
    "search": "hub:search",
    "files": "hub:files",
    "card": "hub:card",
    "ops": "ops:ops",
    "watch": "watch:watch",
    "status": "system:status",
    "top": "top:top",
    "doctor": "doctor:doctor",
    "lint": "lint:lint",
    "migrate": "models:migrate",
    "token": "token:token",
    "cert": "cert:cert",
    "context": "context:context",
    "reload": "system:reload",
    "bench": "bench:bench",
    "completion": "completion:completion",
    "version": "version:version",
}
"""Verb to `module:command` below `rkctl.verbs`, in the order of the help."""

ALIASES = {"ls": "list"}


class Verbs(click.Group):
    """A group that imports a verb when it is asked for, and turns failures into exit codes."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """Return every verb, in the order of the table."""
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return the verb of that name or alias; None, with click's suggestions, when unknown."""
        name = ALIASES.get(cmd_name, cmd_name)
        if name not in VERBS:
            return super().get_command(ctx, cmd_name)
        module, _, attribute = VERBS[name].partition(":")
        command = getattr(importlib.import_module(f"rkctl.verbs.{module}"), attribute)
        assert isinstance(command, click.Command)  # noqa: S101 - the table is wrong
        return command

    def invoke(self, ctx: click.Context) -> Any:
        """Run the verb; print what failed and leave with its exit code."""
        try:
            return super().invoke(ctx)
        except (Failure, RkdError, LocalError) as error:
            failure = failure_of(error)
            _report(failure)
            ctx.exit(failure.exit_code)
        except KeyboardInterrupt:
            # Whatever was under way is cancelled by the clean-up of the verb's context.
            if sys.stderr.isatty():
                click.echo(err=True)
            ctx.exit(Exit.INTERRUPTED)


def failure_of(error: Failure | RkdError | LocalError) -> Failure:
    """Return *error*, whosever it is, as the user sees it."""
    if isinstance(error, Failure):
        return error
    return of_error(error) if isinstance(error, RkdError) else of_local(error)


def _report(failure: Failure) -> None:
    for line in failure.lines():
        click.echo(line, err=True)


def _connection_flags(function: Any) -> Any:
    for option in (JSON_FLAG, *reversed(CONNECTION_FLAGS)):
        function = option(function)
    return function


@click.group(
    cls=Verbs,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@_connection_flags
@click.version_option(
    rkd.__version__, "--version", prog_name="rkctl", message="%(prog)s %(version)s"
)
def cli(**_: object) -> None:
    """Talk to rkd, the LLM service of this board or of another."""


def main() -> None:
    """Run rkctl."""
    # Forked children of gRPC's threads are none of ours; its own notes are not the user's.
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")
    cli(prog_name="rkctl")
