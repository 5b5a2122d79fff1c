"""`rkctl help VERB`: what `rkctl VERB --help` prints."""

from __future__ import annotations

import click

from rkctl.flags import SAMPLING_FLAGS
from rkctl.verb import Local, local_verb


@local_verb("help", json=False)
@click.argument("verb", nargs=-1)
def help_(_: Local, verb: tuple[str, ...]) -> None:
    """Explain VERB, or list all of them; `help sampling` explains how answers are made."""
    context = click.get_current_context().find_root()
    if verb == ("sampling",):
        click.echo(_sampling(context))
        return
    command: click.Command = context.command
    for name in verb:
        found = command.get_command(context, name) if isinstance(command, click.Group) else None
        if found is None:
            raise click.UsageError(f"there is no verb {' '.join(verb)!r}")
        context = click.Context(found, info_name=found.name, parent=context)
        command = found
    click.echo(command.get_help(context))


def _sampling(context: click.Context) -> str:
    carrier = click.Command("run, generate and chat")
    for option in SAMPLING_FLAGS:
        option(carrier)
    formatter = context.make_formatter()
    formatter.write_text("How run, generate and chat make an answer; docs/sampling.md says more.")
    with formatter.section("Sampling"):
        records = (param.get_help_record(context) for param in carrier.params)
        formatter.write_dl([record for record in records if record is not None])
    return formatter.getvalue().rstrip()
