"""Arguments that name a model: completed in the shell by asking the daemon, shortly."""

from __future__ import annotations

import os

import click
from click.shell_completion import CompletionItem
from rkd_client import contexts
from rkd_client.errors import RkdError
from rkd_client.where import Flags, resolve

PATIENCE_S = 1.0
"""A shell that waits longer for a completion feels broken."""


def complete(context: click.Context, _: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Return the models on the board that begin so; nothing when the board is away."""
    # Imported here: a completion of verbs and flags does without gRPC.
    from rkd_client.sync import Client  # noqa: PLC0415 - see above

    flags = Flags(**{name: context.params.get(name) for name in Flags.__dataclass_fields__})
    try:
        store = contexts.load(contexts.file_of(os.environ))
        with Client.at(resolve(flags, os.environ, store), timeout=PATIENCE_S) as client:
            answer = client.list(incomplete)
    except RkdError:
        return []
    return [CompletionItem(model.name) for model in answer.models]


MODEL = click.argument("model", shell_complete=complete)
MODELS = click.argument(
    "models", metavar="MODEL...", nargs=-1, required=True, shell_complete=complete
)
