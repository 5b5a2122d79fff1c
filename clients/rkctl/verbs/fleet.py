"""`rkctl fleet`: all boards at once, a column for the board; one that fails hides no other."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeVar

import click
from google.protobuf.message import Message
from rkd_client import quantity
from rkd_client.ask import Ask
from rkd_client.errors import NotFoundError, RkdError
from rkd_client.sync import Client
from rkd_client.verbs import models as models_ask
from rkd_client.verbs import pool as pool_ask
from rkd_client.verbs import system as system_ask

from rkctl import naming
from rkctl.failure import failure_of
from rkctl.fleet.flags import ON, Fleet, fleet_verb
from rkctl.fleet.place import best_first, fits
from rkctl.fleet.several import PATIENCE_S, Board, Said, ask, plain
from rkctl.operation import state_of
from rkctl.screen import render
from rkctl.verbs import models, residents
from rkctl.verbs.edge import haproxy
from rkd.v1 import pool_pb2, system_pb2
from rkd.v1 import types_pb2 as types

Answered = TypeVar("Answered", bound=Message)
RowsOf = Callable[[Answered], Iterable[Sequence[str]]]

DOCTOR_S = 60.0
DELETE_S = 60.0
STEP = 10
"""Of a hundred: how often a pull on several boards tells how far it is."""


@click.group("fleet")
def fleet() -> None:
    """Ask all boards at once: every context, or those of --endpoint a,b,c."""


def _asked(
    fleet_: Fleet, asked: Ask[Answered, Any], boards: tuple[Board, ...], patience_s: float
) -> list[Said[Answered]]:
    bound_s = fleet_.timeout_s or patience_s
    return ask(boards, lambda client, _: client.call(asked), bound_s)


def _show(
    fleet_: Fleet, said: list[Said[Answered]], columns: Sequence[str], rows: RowsOf[Answered]
) -> None:
    """Print what came of every board, and leave with the exit code of one that failed."""
    if fleet_.json:
        _print_json(said)
    else:
        answers = [(one.board.name, one.answer) for one in said]
        shown = [(name, *row) for name, came in answers if came is not None for row in rows(came)]
        render.table(("BOARD", *columns), shown)
        _tell(said)
    _leave(said)


def _print_json(said: Iterable[Said[Any]], **more: Any) -> None:
    boards = [plain(one, lambda answer: json.loads(render.to_json(answer))) for one in said]
    render.out(json.dumps({"boards": boards, **more}, ensure_ascii=False))


def _tell(said: Iterable[Said[Any]]) -> None:
    for one in said:
        if one.error is not None:
            first, *remedies = failure_of(one.error).lines()
            render.told(f"{one.board.name}: {first.removeprefix('rkctl: ')}")
            for line in remedies:
                render.note(line)


def _leave(said: Iterable[Said[Any]]) -> None:
    failed = [one.error for one in said if one.error is not None]
    if failed:
        click.get_current_context().exit(max(failure_of(error).exit_code for error in failed))


_STATUS = (
    *("RKD", "CHIP", "NPU", ">MEMORY", ">FREE"),
    *(">MODELS", ">LOADED", ">RUNNING", ">WAITING"),
)


@fleet_verb("status")
def status(fleet_: Fleet) -> None:
    """Show version, chip, NPU, memory and load of every board."""
    said = _asked(fleet_, system_ask.status(), fleet_.boards, PATIENCE_S)
    _show(fleet_, said, _STATUS, _status_row)


def _status_row(one: system_pb2.GetStatusResponse) -> list[tuple[str, ...]]:
    cells = (
        one.version,
        one.soc or "-",
        "yes" if one.npu.available else "no",
        quantity.size(one.memory.total_bytes),
        quantity.size(one.memory.available_bytes),
        str(one.models),
        str(one.residents),
        str(len(one.streams)),
        str(one.queued),
    )
    return [cells]


@fleet_verb("list")
@click.argument("prefix", default="")
def list_(fleet_: Fleet, prefix: str) -> None:
    """List the models of every board, those beginning with PREFIX."""
    said = _asked(fleet_, models_ask.list(prefix), fleet_.boards, PATIENCE_S)
    _show(fleet_, said, models.COLUMNS, lambda answer: map(models.row, answer.models))


@fleet_verb("ps")
def ps(fleet_: Fleet) -> None:
    """List the models in the memory of every board."""
    said = _asked(fleet_, pool_ask.residents(), fleet_.boards, PATIENCE_S)
    _show(fleet_, said, residents.COLUMNS, lambda answer: map(residents.row, answer.residents))


@fleet_verb("doctor")
@click.option("--all", "everything", is_flag=True, help="Tell what is well, too.")
def doctor(fleet_: Fleet, *, everything: bool) -> None:
    """Find what is wrong on every board, with one remedy each. 1 on errors."""
    said = _asked(fleet_, system_ask.doctor(), fleet_.boards, DOCTOR_S)
    least = system_pb2.SEVERITY_OK if everything else system_pb2.SEVERITY_NOTE

    def rows(answer: system_pb2.DoctorResponse) -> list[tuple[str, ...]]:
        found = [one for one in answer.findings if one.severity >= least]
        return [
            (
                render.word(system_pb2.Severity.Name(one.severity), "SEVERITY_"),
                one.check,
                f"{one.message} -> {one.remedy}" if one.remedy else one.message,
            )
            for one in found
        ] or [("ok", "-", "nothing is wrong")]

    _show(fleet_, said, ("HOW", "CHECK", "WHAT"), rows)
    answers = (one.answer for one in said if one.answer is not None)
    if any(one.severity == system_pb2.SEVERITY_ERROR for each in answers for one in each.findings):
        click.get_current_context().exit(1)


@fleet_verb("rm")
@naming.MODELS
@ON
@click.option("--drain", is_flag=True, help="Let running answers end first.")
def remove(fleet_: Fleet, models: tuple[str, ...], *, on: tuple[str, ...], drain: bool) -> None:
    """Delete models wherever they are; it is an error only where no board has one."""
    boards, ended = fleet_.only(on), []
    for model in models:
        said = _asked(fleet_, models_ask.delete(model, drain=drain), boards, DELETE_S)
        missing = [one for one in said if isinstance(one.error, NotFoundError)]
        counted = said if len(missing) == len(said) else [one for one in said if one not in missing]
        ended += counted
        if fleet_.json:
            _print_json(counted, model=model)
            continue
        for one in counted:
            if one.answer is not None:
                freed = quantity.size(one.answer.freed_bytes)
                render.note(f"{one.board.name}: deleted {model}: {freed} freed")
        _tell(counted)
    _leave(ended)


@fleet_verb("pull")
@click.argument("source")
@click.option("--name", default="", help="Name of the model. Default: from the repository.")
@click.option("--revision", default="", help="Branch, tag or commit.")
@ON
def pull(fleet_: Fleet, source: str, *, name: str, revision: str, on: tuple[str, ...]) -> None:
    """Download a model on every board, or those of --on; leaving does not stop it."""
    asked = models_ask.pull(source, name=name, revision=revision)

    def follow(client: Client, board: Board) -> types.Operation:
        operation, told = types.Operation(), -STEP
        with client.stream(asked) as steps:
            for step in steps.messages():
                operation = step.operation
                progress = operation.progress
                done = 100 * progress.done_bytes // max(1, progress.total_bytes)
                if fleet_.json:
                    _print_step(board, operation)
                elif done >= told + STEP or not progress.total_bytes:
                    told = done
                    render.note(f"{board.name}: {operation.model or source}: {_how_far(operation)}")
        return operation

    said = ask(fleet_.only(on), follow, fleet_.timeout_s)
    if fleet_.json:
        _print_json([one for one in said if one.error is not None])
    else:
        _tell(said)
    _leave(said)


def _how_far(operation: types.Operation) -> str:
    progress = operation.progress
    if operation.state == types.OPERATION_STATE_SUCCEEDED or not progress.total_bytes:
        return progress.stage or state_of(operation)
    done = 100 * progress.done_bytes // progress.total_bytes
    return f"{done}% of {quantity.size(progress.total_bytes)}"


def _print_step(board: Board, operation: types.Operation) -> None:
    step = {"board": board.name, "operation": json.loads(render.to_json(operation))}
    render.out(json.dumps(step, ensure_ascii=False))


@fleet_verb("place")
@click.argument("model")
def place(fleet_: Fleet, model: str) -> None:
    """Say where MODEL fits best, by each board's own plan; the best board is the first line."""
    said = best_first(_asked(fleet_, pool_ask.plan(model), fleet_.boards, DOCTOR_S))
    best = said[0].board.name if fits(said[0]) else ""
    if fleet_.json:
        _print_json(said, best=best)
    else:
        columns = ("BOARD", "FITS", "BACKEND", ">NEEDS", ">AVAILABLE", "WOULD LEAVE", "WHY")
        render.table(columns, [_place_row(one) for one in said])
    if not best:
        for one in said:
            if one.error is not None and not isinstance(one.error, NotFoundError):
                raise one.error
        raise said[0].error or _nowhere(model)


def _nowhere(model: str) -> RkdError:
    from rkd_client.errors import PreconditionError  # noqa: PLC0415 - the rare end

    remedy = "see the sums: rkctl load --plan MODEL; make room: rkctl stop, rkctl unpin"
    return PreconditionError("MODEL_TOO_LARGE", f"{model} fits on no board", remedy=remedy)


def _place_row(one: Said[pool_pb2.PlanResponse]) -> tuple[str, ...]:
    plan = one.answer
    if plan is None:
        lacks = isinstance(one.error, NotFoundError)
        return (one.board.name, "lacks it" if lacks else "?", "-", "-", "-", "-", f"{one.error}")
    return (
        one.board.name,
        "resident" if plan.resident else ("yes" if plan.fits else "no"),
        render.word(types.Backend.Name(plan.backend), "BACKEND_") or "-",
        quantity.size(plan.needed_bytes),
        quantity.size(plan.available_bytes),
        ", ".join(plan.evicting) or "-",
        plan.backend_reason or "-",
    )


for _command in (status, list_, ps, doctor, pull, remove, place, haproxy):
    fleet.add_command(_command)
