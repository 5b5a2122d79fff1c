"""`rkctl generate`: continue a prompt."""

from __future__ import annotations

import click

from rkctl import flags, naming
from rkctl.chat import asking
from rkctl.session import Session
from rkctl.verb import verb


@verb("generate")
@naming.MODEL
@click.argument("prompt", nargs=-1)
@flags.sampling
def generate(session: Session, model: str, prompt: tuple[str, ...], asked: flags.Asked) -> None:
    """
    Continue PROMPT with MODEL; without PROMPT it is read from stdin (`-` stands for it).

    Words that name pictures (.png .jpg .webp .gif .bmp) are those, in their place.
    """
    asking.generate(session, model, asking.prompt_of(prompt), asked)
