"""`rkctl lint`: every problem of a Modelfile, with line and column; needs no daemon."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import click
from rkd_client.files import named, read_bounded, why_not

from rkctl.failure import Exit, Failure
from rkctl.verb import Local, local_verb
from rkd.modelfile.commands import MAX_BYTES, ProblemSeverity
from rkd.modelfile.lint import lint as problems_of


@local_verb("lint")
@click.argument("files", metavar="FILE...", type=click.Path(), nargs=-1, required=True)
def lint(local: Local, files: tuple[str, ...]) -> None:
    """
    Check Modelfiles of either dialect; - is stdin.

    Does not judge whether what FROM names exists. Leaves with 1 when there is an error, warnings
    are only told.
    """
    wrong: list[str] = []
    for file in files:
        problems = problems_of(_bytes(file))
        if any(problem.severity is ProblemSeverity.ERROR for problem in problems):
            wrong.append(file)
        entries = [
            {
                "line": one.line,
                "column": one.column,
                "severity": str(one.severity.value),
                "message": one.message,
            }
            for one in problems
        ]
        if local.json:
            click.echo(json.dumps({"file": file, "problems": entries}, ensure_ascii=False))
            continue
        for one in entries:
            place = f"{file}:{one['line']}:{one['column']}"
            click.echo(f"{place}: {one['severity']}: {one['message']}")
    if wrong:
        said = f"{', '.join(wrong)} cannot be used as it stands"
        raise Failure(said, "INVALID_MODELFILE", ("mend the places named above",))


def _bytes(file: str) -> bytes:
    try:
        if file == "-":
            return sys.stdin.buffer.read(MAX_BYTES + 1)
        return read_bounded(Path(file), MAX_BYTES)
    except OSError as error:
        said = f"{named(file)} cannot be read: {why_not(error).lower()}"
        raise Failure(said, "FILE_NOT_FOUND", (), Exit.NOT_FOUND) from error
