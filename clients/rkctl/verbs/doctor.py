"""`rkctl doctor`: what is wrong with the daemon and its board, and what to do."""

from __future__ import annotations

import click
from rkd_client.verbs import system as ask

from rkctl.failure import Exit
from rkctl.screen import render
from rkctl.session import CommandSession
from rkctl.verb import verb
from rkd.v1 import system_pb2 as pb

_MARKS = {
    pb.SEVERITY_OK: ("ok", "green"),
    pb.SEVERITY_NOTE: ("note", "cyan"),
    pb.SEVERITY_WARNING: ("warning", "yellow"),
    pb.SEVERITY_ERROR: ("error", "red"),
}


@verb("doctor")
def doctor(session: CommandSession) -> None:
    """Check everything that commonly goes wrong; each finding has one remedy. 1 on errors."""
    answer = session.call(ask.doctor())
    if session.json:
        render.out(render.to_json(answer))
    else:
        _print(answer)
    if any(one.severity == pb.SEVERITY_ERROR for one in answer.findings):
        click.get_current_context().exit(Exit.ERROR)


def _print(answer: pb.DoctorResponse) -> None:
    width = max((len(one.check) for one in answer.findings), default=0)
    for one in answer.findings:
        word, colour = _MARKS.get(one.severity, ("?", "white"))
        mark = render.styled(word.ljust(7), fg=colour, bold=one.severity > pb.SEVERITY_NOTE)
        first, *more = render.lines_of(one.message, width + 11)
        click.echo(f"{mark}  {one.check.ljust(width)}  {first}")
        more += render.lines_of(f"-> {one.remedy}", width + 11) if one.remedy else []
        for line in more:
            click.echo(f"{' ' * (width + 11)}{line}")
