"""`rkctl sessions`: what is kept on the board of conversations with a name."""

from __future__ import annotations

import click
from rkd_client import quantity
from rkd_client.verbs import pool as ask

from rkctl.screen import render
from rkctl.session import CommandSession
from rkctl.verb import CONNECTION_FLAGS, JSON_FLAG, verb


@click.group("sessions", invoke_without_command=True)
@click.pass_context
def sessions(context: click.Context, /, **_: object) -> None:
    """List and remove what is kept of your conversations with a name (--session)."""
    if context.invoked_subcommand is None:
        context.invoke(list_)


for _option in (JSON_FLAG, *CONNECTION_FLAGS):
    _option(sessions)


@verb("list")
def list_(session: CommandSession) -> None:
    """List your conversations."""
    answer = session.shown(ask.sessions())
    if answer is None:
        return
    columns = ("NAME", "MODEL", ">TOKENS", ">SIZE", "USED")
    rows = (
        (one.name, one.model, str(one.tokens), quantity.size(one.size_bytes), render.ago(one.used))
        for one in answer.sessions
    )
    render.table(columns, rows)


@verb("rm")
@click.argument("names", nargs=-1, required=True, metavar="NAME...")
@click.option("--model", default="", metavar="MODEL", help="Only with this model.")
def remove(session: CommandSession, names: tuple[str, ...], *, model: str) -> None:
    """Remove what is kept of conversations; they can go on, and are read anew."""
    for name in names:
        answer = session.shown(ask.forget(name, model=model))
        if answer is not None:
            render.note(f"{name}: {'removed' if answer.deleted else 'nothing was kept'}")


sessions.add_command(list_)
sessions.add_command(remove)
