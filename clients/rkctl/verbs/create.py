"""`rkctl create`: a model from a Modelfile; files it names here are brought to the board."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click
from rkd_client.verbs import models as ask

from rkctl import naming
from rkctl.make import sources
from rkctl.make.carrier import Carrier
from rkctl.operation import follow
from rkctl.screen import render
from rkctl.screen.progress import progress
from rkctl.session import CommandSession
from rkctl.verb import verb


@verb("create")
@click.argument("name")
@click.option(
    "-f",
    "--file",
    type=click.Path(),
    metavar="FILE",
    help="The Modelfile; - is stdin. Default: Modelfile",
)
@click.option(
    "-q",
    "--quantize",
    shell_complete=naming.types,
    metavar="TYPE",
    default="",
    help="Q4_K_M, Q5_K_M, Q8_0 …",
)
@click.option(
    "--from",
    "origin",
    type=click.Path(),
    metavar="WHAT",
    help="A file, folder, model or hf.co/user/repo.",
)
@click.option(
    "--existing", default="", metavar="FILE", help="Weights in NAME's folder: write its Modelfile."
)
@click.option("--replace", is_flag=True, help="Replace a model of that name.")
def create(
    session: CommandSession,
    name: str,
    *,
    file: str | None,
    quantize: str,
    origin: str | None,
    existing: str,
    replace: bool,
) -> None:
    """
    Make model NAME as a Modelfile says, or from WHAT alone.

    Paths are found on this machine and brought to the board where it lacks them; broken off, the
    same command goes on where it stopped. Prints the model's name.
    """
    wanted = _wanted(file, origin, in_place=bool(existing))
    if wanted.files:  # what the board refuses anyway is refused before gigabytes are read and sent
        unread = {one.name: "" for one in wanted.files}
        _check(session, name, wanted.text, files=unread, quantize=quantize, replace=replace)
    try:
        with progress(quiet=session.json) as shown:
            files = Carrier(session.client, shown).bring(wanted.files)
    except KeyboardInterrupt:
        render.note("\nstopped; the same command goes on where this one stopped")
        raise
    given: dict[str, Any] = {"files": files, "quantize": quantize, "replace": replace}
    asked = ask.create(name, wanted.text, existing_file=existing, **given)
    with session.stream(asked) as steps:
        last = follow(steps, "create", json=session.json)
    if session.json:
        return
    for warning in last.warnings:
        render.note(f"warning: {warning}")
    render.out(last.model.name or name)


def _check(session: CommandSession, name: str, text: str, **given: Any) -> None:
    with session.stream(ask.create(name, text, check_only=True, **given)) as steps:
        for _ in steps:
            pass


def _wanted(file: str | None, origin: str | None, *, in_place: bool) -> sources.Wanted:
    if in_place:  # what it names lies in the folder on the board
        text = sys.stdin.read() if file == "-" else sources.text_of(Path(file or "Modelfile"))
        return sources.Wanted(text, ())
    if file == "-":
        return sources.read(None, origin, sys.stdin.read())
    if file is None and origin is not None:
        return sources.read(None, origin)
    return sources.read(Path(file or "Modelfile"), origin)
