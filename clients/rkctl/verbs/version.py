"""`rkctl version`: of rkctl alone, quickly, with no daemon."""

from __future__ import annotations

import json

import click

import rkd
from rkctl.verb import Local, local_verb


@local_verb("version")
def version(local: Local) -> None:
    """Print the version of rkctl (the daemon's is in `rkctl status`)."""
    if local.json:
        click.echo(json.dumps({"rkctl": rkd.__version__}))
    else:
        click.echo(f"rkctl {rkd.__version__}")
