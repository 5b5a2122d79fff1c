"""`rkctl ps`, `load`, `stop`, `pin`, `unpin`: models in memory."""

from __future__ import annotations

import click
from rkd_client import quantity
from rkd_client.options import WantedBackend
from rkd_client.verbs import pool as ask

from rkctl import flags, naming
from rkctl.screen import render
from rkctl.screen.status_line import StatusLine
from rkctl.session import CommandSession
from rkctl.verb import verb
from rkd.v1 import pool_pb2 as pb
from rkd.v1 import types_pb2 as types

COLUMNS = (
    "NAME",
    "STATE",
    "BACKEND",
    ">SIZE",
    ">CONTEXT",
    "SLOTS",
    ">QUEUE",
    "UNTIL",
    ">DOMAIN",
    ">PID",
)
_AFTER_SIZE = COLUMNS.index(">SIZE") + 1


@verb("ps")
def ps(session: CommandSession) -> None:
    """List the models in memory; looking keeps none of them there."""
    answer = session.shown(ask.residents())
    if answer is None:
        return
    cached = any(resident.prompt_cache_bytes for resident in answer.residents)
    table = [COLUMNS, *map(row, answer.residents)]
    if cached:
        cells = [">CACHE", *map(_cache, answer.residents)]
        table = [
            (*cells_[:_AFTER_SIZE], cell, *cells_[_AFTER_SIZE:])
            for cells_, cell in zip(table, cells, strict=True)
        ]
    boards = (one.board for one in answer.residents)
    render.by_board(table[0], zip(boards, table[1:], strict=True))
    for resident in answer.residents:
        if resident.reason:
            render.note(f"{resident.model}: {resident.reason}")
    if answer.queued:
        render.note(f"{answer.queued} of at most {answer.queue_limit} requests wait")


def row(one: pb.Resident) -> tuple[str, ...]:
    """Return the cells of one resident, under `COLUMNS`."""
    return (
        one.model,
        render.word(pb.ResidentState.Name(one.state), "RESIDENT_STATE_"),
        render.word(types.Backend.Name(one.backend), "BACKEND_") or "-",
        f"{'~' if one.size_bytes and not one.size_measured else ''}{quantity.size(one.size_bytes)}",
        str(one.context_tokens or "-"),
        f"{one.slots_used}/{one.slots}",
        str(one.queued),
        _until(one),
        str(one.npu_domain) if one.HasField("npu_domain") else "-",
        str(one.pid or "-"),
    )


def _cache(one: pb.Resident) -> str:
    """What is kept of conversations without a slot, of the most that may be."""
    if not one.prompt_cache_bytes:
        return "-"
    return f"{quantity.size(one.prompt_cache_used_bytes)}/{quantity.size(one.prompt_cache_bytes)}"


def _until(one: pb.Resident) -> str:
    if one.pinned:
        return "pinned"
    if one.HasField("retry"):
        return f"retry {render.until(one.retry)}"
    if one.HasField("expires"):
        return render.until(one.expires)
    return "in use" if one.slots_used or one.queued else "for ever"


@verb("load")
@naming.MODEL
@click.option("--plan", is_flag=True, help="Only say whether it would fit and who would leave.")
@flags.where_to_run
def load(
    session: CommandSession,
    model: str,
    *,
    plan: bool,
    backend: WantedBackend | None,
    context_tokens: int | None,
    keep_alive_s: float | None,
) -> None:
    """Make MODEL resident without asking it anything."""
    if plan:
        _plan(session, model, backend, context_tokens)
        return
    asked = ask.load(
        model, backend=backend, context_tokens=context_tokens, keep_alive_s=keep_alive_s
    )
    line = StatusLine()
    with line, session.stream(asked) as events:
        for event in events:
            if session.json:
                render.out(render.to_json(event))
                continue
            match event.WhichOneof("event"):
                case "queued":
                    line.queued(event.queued)
                case "loading":
                    line.loading(event.loading, model)
                case "resident":
                    line.clear()
                    where = render.word(types.Backend.Name(event.resident.backend), "BACKEND_")
                    taken = quantity.size(event.resident.size_bytes)
                    render.note(f"{event.resident.model} is resident on the {where}: {taken}")
                case _:
                    pass


def _plan(
    session: CommandSession, model: str, backend: WantedBackend | None, context_tokens: int | None
) -> None:
    answer = session.shown(ask.plan(model, backend=backend, context_tokens=context_tokens))
    if answer is None:
        return
    fits = "already resident" if answer.resident else ("yes" if answer.fits else "no")
    measured = "measured" if answer.needed_measured else "estimated"
    render.pairs(
        (
            ("fits", fits),
            ("backend", render.word(types.Backend.Name(answer.backend), "BACKEND_")),
            ("why", answer.backend_reason),
            ("needs", f"{quantity.size(answer.needed_bytes)} ({measured})"),
            ("available", quantity.size(answer.available_bytes)),
            ("context", f"{answer.context_tokens} tokens in each of {answer.slots} slots"),
            ("NPU domain", str(answer.npu_domain) if answer.HasField("npu_domain") else ""),
            ("would leave", ", ".join(answer.evicting)),
            ("the sum", answer.explanation),
        )
    )


@verb("stop")
@naming.MODELS
@click.option(
    "--grace",
    type=flags.length_of_time,
    metavar="TIME",
    help="Wait for running answers at most this long. Default: as long as they run.",
)
def stop(session: CommandSession, models: tuple[str, ...], grace: float | None) -> None:
    """Let models leave memory; running answers end first."""
    for model in models:
        answer = session.shown(ask.unload(model, grace_s=grace))
        if answer is not None:
            render.note(f"{model} {'has left' if answer.was_resident else 'was not resident'}")


@verb("pin")
@naming.MODEL
def pin(session: CommandSession, model: str) -> None:
    """Keep MODEL in memory until unpin, stop or shutdown; loads it first."""
    answer = session.shown(ask.pin(model))
    if answer is not None:
        render.note(f"{answer.resident.model or model} is pinned")


@verb("unpin")
@naming.MODEL
def unpin(session: CommandSession, model: str) -> None:
    """Take the pin of MODEL away; its keep-alive counts from now."""
    answer = session.shown(ask.unpin(model))
    if answer is not None:
        render.note(f"{model} {'is unpinned' if answer.was_pinned else 'was not pinned'}")
