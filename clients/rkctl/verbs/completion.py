"""`rkctl completion`: what makes a shell complete verbs, flags and names of models."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

from rkctl.failure import Failure
from rkctl.verb import Local, local_verb


@local_verb("completion", json=False)
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(_: Local, shell: str) -> None:
    """
    Print the completion script of SHELL.

    bash: rkctl completion bash > /etc/bash_completion.d/rkctl. zsh: into a folder of $fpath as
    _rkctl. fish: into ~/.config/fish/completions/rkctl.fish.
    """
    root = click.get_current_context().find_root()
    kind = get_completion_class(shell)
    if kind is None:
        raise Failure(f"click knows no completion for {shell}", "UNKNOWN_SHELL")
    click.echo(kind(root.command, {}, "rkctl", "_RKCTL_COMPLETE").source())
