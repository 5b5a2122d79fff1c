"""`rkctl generate`: continue a prompt, or fill in what is missing between two texts."""

from __future__ import annotations

import click

from rkctl import flags, naming
from rkctl.chat import asking
from rkctl.session import CommandSession
from rkctl.verb import verb


@verb("generate")
@naming.MODEL
@click.argument("prompt", nargs=-1)
@click.option("--suffix", metavar="TEXT", help="Fill in what is missing before this.")
@click.option(
    "--suffix-file", type=click.Path(), metavar="FILE", help="The same with the text of FILE."
)
@flags.sampling
def generate(
    session: CommandSession,
    model: str,
    prompt: tuple[str, ...],
    *,
    suffix: str | None,
    suffix_file: str | None,
    asked: flags.Asked,
) -> None:
    """
    Continue PROMPT with MODEL; without PROMPT it is read from stdin (`-` stands for it).

    Words that name pictures (.png .jpg .webp .gif .bmp) are those, in their place.
    """
    if suffix is not None and suffix_file is not None:
        raise click.UsageError("--suffix and --suffix-file say the same: give one of them")
    if suffix_file is not None:
        suffix = flags.text_in(suffix_file, "--suffix-file")
    text = asking.prompt_of(prompt) if suffix is None else asking.beginning_of(prompt)
    asking.generate(session, model, text, asked, suffix=suffix)
