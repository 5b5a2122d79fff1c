"""`rkctl list`, `cp`, `rm`, `migrate`: models on disk."""

from __future__ import annotations

import click
from rkd_client import quantity
from rkd_client.verbs import models as ask

from rkctl import naming
from rkctl.screen import render
from rkctl.session import CommandSession
from rkctl.verb import verb
from rkd.v1 import types_pb2 as types

COLUMNS = ("NAME", ">SIZE", "FORMAT", "QUANT", ">PARAMS", ">CONTEXT", "MODIFIED", "STATE")


@verb("list")
@click.argument("prefix", default="")
def list_models(session: CommandSession, prefix: str) -> None:
    """List the models on the board, those beginning with PREFIX."""
    answer = session.shown(ask.list(prefix))
    if answer is None:
        return
    render.by_board(COLUMNS, ((model.board, row(model)) for model in answer.models))
    for thing in answer.left_alone:
        render.note(f"left alone: {thing.name}: {thing.reason}")
    if answer.unread_folders:
        render.note(f"the daemon is still reading: {answer.unread_folders} folders to go")


def row(model: types.ModelSummary) -> tuple[str, ...]:
    """Return the cells of one model, under `COLUMNS`."""
    state = render.word(types.ModelState.Name(model.state), "MODEL_STATE_")
    if model.resident:
        state = "resident"
    formats = (types.WeightsFormat.Name(one) for one in model.formats)
    return (
        model.name,
        quantity.size(model.size_bytes),
        "+".join(render.word(name, "WEIGHTS_FORMAT_") for name in formats) or "-",
        model.quantization or "-",
        quantity.count(model.parameters),
        str(model.context_tokens or "-"),
        render.ago(model.modified),
        f"{state}: {model.reason}" if model.reason else state,
    )


@verb("cp")
@click.argument("source", shell_complete=naming.complete)
@click.argument("destination")
@click.option("--replace", is_flag=True, help="Replace a model of that name.")
def copy(session: CommandSession, source: str, destination: str, *, replace: bool) -> None:
    """Copy model SOURCE to DESTINATION; the weights are shared on disk."""
    answer = session.call(ask.copy(source, destination, replace=replace))
    render.out(render.to_json(answer) if session.json else answer.model.name)


@verb("rm")
@naming.MODELS
@click.option("--drain", is_flag=True, help="Let running answers end first.")
def remove(session: CommandSession, models: tuple[str, ...], *, drain: bool) -> None:
    """Delete models and the space only they use."""
    # All are found before one is deleted, and what goes is told by its own name.
    for model in [_meant(session, model) for model in models]:
        answer = session.shown(ask.delete(model, drain=drain))
        if answer is not None:
            render.note(f"deleted {model}: {quantity.size(answer.freed_bytes)} freed")


def _meant(session: CommandSession, model: str) -> str:
    """Return the name of the model that a tag or a repository leads to; others as they are."""
    if ":" not in model.removesuffix(":latest") and "/" not in model:
        return model
    return session.call(ask.show(model)).summary.name


@verb("mv")
@click.argument("source", shell_complete=naming.complete)
@click.argument("destination")
def move(session: CommandSession, source: str, destination: str) -> None:
    """Give model SOURCE the name DESTINATION: a copy that shares the weights, then rm."""
    source = _meant(session, source)
    answer = session.call(ask.copy(source, destination))
    session.call(ask.delete(source))
    render.out(render.to_json(answer) if session.json else answer.model.name)


@verb("migrate")
@click.option("--dry-run", is_flag=True, help="Only say what would be done.")
def migrate(session: CommandSession, *, dry_run: bool) -> None:
    """Move weights lying flat in the models folder into a folder for each model."""
    answer = session.shown(ask.migrate(dry_run=dry_run))
    if answer is None:
        return
    for move in answer.moves:
        render.out(f"{move.source} -> {move.destination}")
    for thing in answer.left_alone:
        render.note(f"left alone: {thing.name}: {thing.reason}")
    if not answer.moves:
        render.note("nothing to migrate")
    elif dry_run:
        render.note("nothing was moved (--dry-run)")
