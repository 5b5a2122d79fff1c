"""`rkctl ops`: pulls, creates and pushes that run on the board, or ran."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click
from rkd_client.ask import Ask
from rkd_client.verbs import operations as ask

from rkctl import naming
from rkctl.operation import follow, kind_of, state_of
from rkctl.screen import render
from rkctl.session import CommandSession
from rkctl.verb import CONNECTION_FLAGS, JSON_FLAG, verb
from rkd.v1 import types_pb2 as types


@click.group("ops", invoke_without_command=True)
@click.pass_context
def ops(context: click.Context, /, **_: object) -> None:
    """List, attach, cancel, pause and resume pulls, creates and pushes."""
    if context.invoked_subcommand is None:
        context.invoke(list_)


for _option in (JSON_FLAG, *CONNECTION_FLAGS):
    _option(ops)


@verb("list")
@click.option("--active", is_flag=True, help="Only those that have not ended.")
def list_(session: CommandSession, *, active: bool) -> None:
    """List operations, the newest first."""
    answer = session.shown(ask.operations(active=active))
    if answer is None:
        return
    columns = ("ID", "KIND", "MODEL", "STATE", ">DONE", "BEGAN", "SOURCE")
    render.by_board(columns, ((one.board, _row(one)) for one in answer.operations))


def _row(one: types.Operation) -> tuple[str, ...]:
    state = state_of(one)
    total = one.progress.total_bytes
    return (
        one.id,
        kind_of(one),
        one.model or "-",
        f"{state}: {one.error_reason}" if one.error_reason else state,
        f"{int(100 * one.progress.done_bytes / total)}%" if total else "-",
        render.ago(one.created),
        one.source or "-",
    )


@verb("attach")
@click.argument("id", metavar="ID", shell_complete=naming.operations)
def attach(session: CommandSession, id: str) -> None:  # noqa: A002 - what it is called on the board
    """Follow operation ID to its end; Ctrl-C leaves it running."""
    with session.stream(ask.attach(id)) as steps:
        last = follow(steps, "operation", json=session.json)
    if not session.json:
        render.out(last.operation.model)


def _ending(name: str, asked: Callable[[str], Ask[Any, Any]], help_: str) -> click.Command:
    """Make one of the verbs that change an operation and print what became of it."""

    @verb(name)
    @click.argument(
        "ids", metavar="ID...", nargs=-1, required=True, shell_complete=naming.operations
    )
    def change(session: CommandSession, ids: tuple[str, ...]) -> None:
        for one in ids:
            answer = session.shown(asked(one))
            if answer is not None:
                render.note(f"{one}: {state_of(answer.operation)}")

    change.help = help_
    return change


for _command in (
    list_,
    attach,
    _ending("cancel", ask.cancel_operation, "Stop and give back the space."),
    _ending("pause", ask.pause_operation, "Stop and keep what is there."),
    _ending("resume", ask.resume_operation, "Go on, also after a failure."),
):
    ops.add_command(_command)
