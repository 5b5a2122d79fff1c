"""`rkctl verify`: go through docs/board.md, row by row, and write down what this board does."""

from __future__ import annotations

import errno
import json
import os
import signal
import socket
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import click
from rkd_client.errors import RkdError
from rkd_client.files import named, why_not, write_whole

from rkctl.failure import Exit, Failure
from rkctl.screen import render
from rkctl.session import CommandSession
from rkctl.verb import verb
from rkctl.verify.heard import raise_if_gone, reason_of
from rkctl.verify.probe import NotApplicableError, Probe
from rkctl.verify.report import Judged, as_text, scrubbed
from rkctl.verify.row import Found, Result, Row, not_applicable
from rkctl.verify.table import LAST, ROWS

_COLOURS = {Result.HOLDS: "green", Result.DIFFERS: "red", Result.NOT_APPLICABLE: "white"}
_ENDS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
_EVERYBODYS = frozenset({"root", "rkd", "localhost", "model", "rkllm", "rknn", "npu"})
_SMALL = "Qwen2.5-0.5B or Qwen3-0.6B as w8a8 for this chip: `rkctl search qwen --format rkllm`"


@verb("verify")
@click.argument("model", required=False, default="")
@click.option("--row", "numbers", multiple=True, metavar="N", help="Only this row; may repeat.")
@click.option(
    "--report",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Where the report goes. Default: rkd-verify-DATE.md here.",
)
def verify(
    session: CommandSession, model: str, numbers: tuple[str, ...], report: Path | None
) -> None:
    """
    Prove what is assumed of this board with MODEL, or the smallest .rkllm; 1 where a row differs.

    Goes through docs/board.md. May be stopped at any time: what it loaded leaves again, and the
    report says how far it came.
    """
    rows = _wanted(numbers)
    board = Probe(session, model, Path(os.environ.get("RKD_SYSROOT") or "/"))
    if model and model not in board.candidates:
        raise Failure(
            f"{model} has no .rkllm weights that could be verified with",
            "MODEL_NOT_FOUND",
            ("see what there is: rkctl list",),
        )
    if not board.candidates:
        render.note(f"there is no .rkllm model here; a small one is enough: {_SMALL}")
    when = datetime.now(UTC)
    file = report or Path(f"rkd-verify-{when:%Y%m%d-%H%M%S}.md")
    judged: list[Judged] = []
    _write(file, as_text(judged, board, when, whole=False))  # before anything is loaded for nothing
    before = {number: signal.signal(number, board.stop) for number in _ENDS}
    try:
        for one in _judge(board, rows):
            judged.append(one)
            _print(session, one)
    finally:
        try:
            _end(board)
            _write(file, as_text(judged, board, when, whole=len(judged) == len(rows)))
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
    different = sum(one.found.result is Result.DIFFERS for one in judged)
    if not session.json:
        held = sum(one.found.result is Result.HOLDS for one in judged)
        render.note(f"{held} rows hold, {different} differ; the report: {file}")
    if different:
        click.get_current_context().exit(Exit.ERROR)


def _wanted(numbers: tuple[str, ...]) -> tuple[Row, ...]:
    known = {row.number for row in ROWS}
    unknown = [one for one in numbers if one not in known]
    if unknown:
        raise click.UsageError(f"docs/board.md has no row {unknown[0]}")
    chosen = [row for row in ROWS if not numbers or row.number in numbers]
    return tuple(sorted(chosen, key=lambda row: row.number == LAST))


def _judge(board: Probe, rows: tuple[Row, ...]) -> Iterator[Judged]:
    """Judge row after row; a board that is gone ends it, anything else is a row's own matter."""
    people = _people()
    for row in rows:
        try:
            found = row.check(board)
        except NotApplicableError as why:
            found = not_applicable(str(why))
        except RkdError as error:
            if not board.stopped:  # a call we ended may look like a connection that broke
                raise_if_gone(error)
            found = not_applicable(reason_of(error))
        if board.stopped:
            raise KeyboardInterrupt
        seen = scrubbed(found.seen, board.candidates, people)
        yield Judged(row, Found(found.result, seen))


def _print(session: CommandSession, one: Judged) -> None:
    if session.json:
        said = {"row": one.row.number, "result": str(one.found.result), "seen": one.found.seen}
        click.echo(json.dumps(said, ensure_ascii=False))
        return
    mark = render.styled(str(one.found.result).ljust(14), fg=_COLOURS[one.found.result])
    seen = f" ({one.found.seen})" if one.found.seen else ""
    first, *more = render.lines_of(f"{one.row.assumed}{seen}", 21)
    click.echo(f"{one.row.number.rjust(3)}  {mark}  {first}")
    for line in more:
        click.echo(f"{' ' * 21}{line}")


def _people() -> frozenset[str]:
    """Names of this machine and its user, but for those every board has."""
    host = socket.gethostname()
    mine = {host, host.partition(".")[0], os.environ.get("USER", ""), Path.home().name}
    return frozenset(one for one in mine if len(one) > 1) - _EVERYBODYS


def _end(board: Probe) -> None:
    try:
        board.close()
    except (RkdError, NotApplicableError) as error:
        why = reason_of(error) if isinstance(error, RkdError) else str(error)
        render.note(f"what is in memory is not as it was before: {why}")


def _write(file: Path, text: str) -> None:
    try:
        write_whole(file, text)
    except OSError as error:
        raise Failure(
            f"the report cannot be written to {named(file)}: {why_not(error)}",
            "DISK_FULL" if error.errno in _FULL else "INVALID_FILE",
            ("name another place: rkctl verify --report FILE",),
        ) from error
