"""`rkctl help VERB`: what `rkctl VERB --help` prints."""

from __future__ import annotations

import click

from rkctl.verb import Local, local_verb


@local_verb("help", json=False)
@click.argument("verb", nargs=-1)
def help_(_: Local, verb: tuple[str, ...]) -> None:
    """Explain VERB, or list all of them."""
    context = click.get_current_context().find_root()
    command: click.Command = context.command
    for name in verb:
        found = command.get_command(context, name) if isinstance(command, click.Group) else None
        if found is None:
            raise click.UsageError(f"there is no verb {' '.join(verb)!r}")
        context = click.Context(found, info_name=found.name, parent=context)
        command = found
    click.echo(command.get_help(context))
